"""What `verify` found: for people, for programs, and as an exit code."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from thinned.conformance.outcome import (
    EXPECTED,
    LIMIT,
    NOT_APPLICABLE,
    PASSED,
    UNEXPECTED,
    WRONG,
    Outcome,
)
from thinned.methods.bounds import ALARM

_ORDER = (WRONG, UNEXPECTED, LIMIT, EXPECTED, PASSED, NOT_APPLICABLE)


@dataclass(frozen=True)
class Report:
    """The outcome of every check.

    Args:
        subject: its name.
        kind: of the adapter that called it.
        method: of the catalogue, that it was held to.
        rates: at which its law was measured.
        framework: name and version.
        outcomes: one for each check, in their order.
        seconds: that it took.
    """

    subject: str
    kind: str
    method: str
    rates: tuple[float, ...]
    framework: str
    outcomes: tuple[Outcome, ...]
    seconds: float = 0.0

    def __getitem__(self, check: str) -> Outcome:
        """The outcome of a check, by its name."""
        for each in self.outcomes:
            if each.check == check:
                return each
        raise KeyError(f"expected one of {', '.join(each.check for each in self.outcomes)}; got {check!r}.")

    def __iter__(self) -> Iterator[Outcome]:
        """Over the outcomes."""
        return iter(self.outcomes)

    def of(self, *statuses: str) -> list[Outcome]:
        """The outcomes that have one of these statuses."""
        return [each for each in self.outcomes if each.status in statuses]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; limits are none."""
        return not self.of(WRONG, UNEXPECTED)

    def exit_code(self, *, strict: bool = False) -> int:
        """0 fine, 1 wrong, or with `strict` a limit."""
        return int(not self.ok or (strict and bool(self.of(LIMIT))))

    @property
    def sentence(self) -> str:
        """The verdict, in one sentence."""
        wrong, limits = len(self.of(WRONG, UNEXPECTED)), len(self.of(LIMIT))
        passed, skipped = len(self.of(PASSED)), len(self.of(NOT_APPLICABLE))
        verdict = f"wrong in {_counted(wrong, 'check')}" if wrong else "right"
        return (
            f"{self.subject} as {self.method} is {verdict}; {_counted(limits, 'limit')}, {passed} passed, "
            f"{skipped} not applicable."
        )

    def document(self) -> dict[str, Any]:
        """The same as what JSON can hold."""
        return {
            "subject": self.subject,
            "kind": self.kind,
            "method": self.method,
            "rates": list(self.rates),
            "framework": self.framework,
            "false_alarm": ALARM,
            "seconds": round(self.seconds, 2),
            "ok": self.ok,
            "sentence": self.sentence,
            "checks": [
                {
                    "check": each.check,
                    "says": each.says,
                    "status": each.status,
                    "measured": each.measured,
                    "expected": each.expected,
                    "likely": each.likely,
                }
                for each in self.outcomes
            ],
        }

    def json(self) -> str:
        """One JSON document."""
        return json.dumps(self.document(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        """Failures with figures, then a line for each other check."""
        return "\n".join(_lines(self))


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _lines(report: Report) -> Iterator[str]:
    rates = ", ".join(f"{rate:g}" for rate in report.rates)
    yield f"{report.subject} ({report.kind}, {report.framework}), as {report.method} at rates {rates}"
    width = max((len(each.check) for each in report.outcomes), default=0)
    for status in _ORDER:
        for each in report.of(status):
            yield f"  {status:<20} {each.check:<{width}}  {each.measured}"
            if each.expected:
                yield f"  {'':<20} {'':<{width}}  expected: {each.expected}"
            if each.likely:
                yield f"  {'':<20} {'':<{width}}  likely: {each.likely}"
    yield report.sentence
