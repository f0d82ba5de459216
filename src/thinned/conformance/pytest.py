"""The checks as tests of one's own: `@parametrize_with_checks([MyDropout])`.

Import it where it is used; nothing is registered with pytest, so that it costs nobody anything.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from thinned.conformance.checks import CHECKS
from thinned.conformance.outcome import LIMIT, NOT_APPLICABLE, PASSED
from thinned.conformance.verification import Examination, prepare
from thinned.errors import SubjectError

Failures = Mapping[str, str] | Callable[[Any], Mapping[str, str]]
"""Reasons by the name of a check, or what gives them for a subject."""


def parametrize_with_checks(
    subjects: Iterable[Any],
    *,
    checks: Iterable[str] | None = None,
    expected_failures: Failures | None = None,
    strict: bool = False,
    **stated: Any,
) -> Any:
    """Run every check on every subject, as a test each.

    The test that is decorated takes `subject` and `check`, and calls `check(subject)`. A check that does not apply
    is skipped with its reason; a limit is an expected failure, or with `strict` a failure; an expected failure that
    passes is a failure.

    Args:
        subjects: what `thinned.verify` takes.
        checks: names of those to run; by default all.
        expected_failures: reasons by check, or a function that gives them for a subject.
        strict: whether limits fail.
        **stated: further arguments of `thinned.verify`, for all subjects.

    Raises:
        SubjectError: a check that does not exist.

    Example:
        >>> import torch
        >>> from thinned.conformance.pytest import parametrize_with_checks
        >>> @parametrize_with_checks([torch.nn.Dropout], checks=["keep_rate", "scale"])
        ... def test_dropout(subject, check):
        ...     check(subject)
    """
    names = list(CHECKS) if checks is None else list(checks)
    unknown = sorted(set(names) - set(CHECKS))
    if unknown:
        raise SubjectError(f"expected names of checks, of {', '.join(CHECKS)}; got {', '.join(unknown)}.")
    cases = [
        pytest.param(subject, check, id=f"{_name(subject)}-{check.name}")
        for subject in subjects
        for check in _checks(subject, names, expected_failures, strict, stated)
    ]
    return pytest.mark.parametrize(("subject", "check"), cases)


class CheckOf:
    """One check, to be called with its subject; all of one subject share their samples."""

    def __init__(
        self, name: str, reason: str | None, strict: bool, examined: Callable[[], Examination]
    ) -> None:
        self.name, self._reason, self._strict, self._examined = name, reason, strict, examined

    def __call__(self, subject: Any) -> None:
        """Fail, skip or pass, as pytest has it."""
        __tracebackhide__ = True
        found = self._examined().outcome(self.name, self._reason)
        if found.status == PASSED:
            return
        told = [found.measured, *(f"{what}: {text}" for what, text in _more(found) if text)]
        message = f"{found.says}.\n  found: " + "\n  ".join(told)
        if found.status == NOT_APPLICABLE:
            pytest.skip(found.measured)
        if self._reason is not None and found.failed is False:
            pytest.xfail(self._reason)
        if found.status == LIMIT and not self._strict:
            pytest.xfail(f"limit: {found.measured}")
        pytest.fail(message, pytrace=False)

    def __repr__(self) -> str:
        """Its name."""
        return self.name


def _more(found: Any) -> list[tuple[str, str]]:
    return [("expected", found.expected), ("likely", found.likely)]


def _checks(
    subject: Any, names: list[str], expected: Failures | None, strict: bool, stated: dict[str, Any]
) -> list[CheckOf]:
    reasons = dict((expected(subject) if callable(expected) else expected) or {})
    unknown = sorted(set(reasons) - set(CHECKS))
    if unknown:
        raise SubjectError(f"expected names of checks, of {', '.join(CHECKS)}; got {', '.join(unknown)}.")
    made: list[Examination] = []

    def examined() -> Examination:
        if not made:
            made.append(prepare(subject, **stated))
        return made[0]

    return [CheckOf(name, reasons.get(name), strict, examined) for name in names]


def _name(subject: Any) -> str:
    return str(getattr(subject, "__name__", type(subject).__name__))
