"""A check: one function, one sentence, one level."""

from collections.abc import Callable
from dataclasses import dataclass

from thinned.conformance.bench import Bench
from thinned.conformance.outcome import LIMIT, WRONG

Run = Callable[[Bench], str]
"""Returns what was measured; raises `FailedError`, or `NotApplicableError` with the reason."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    Args:
        name: of the check, as expected failures name it.
        says: one sentence, which holds of a right subject.
        level: "wrong" or "limit", of a failure of a stranger's; of ours every failure is wrong.
        run: what looks.
    """

    name: str
    says: str
    level: str
    run: Run


CHECKS: dict[str, Check] = {}
"""By name, in the order in which they are told."""


def wrong(run: Run) -> Run:
    """Enter a check whose failure makes a result wrong. Its docstring's first line is its sentence."""
    return _entered(run, WRONG)


def limit(run: Run) -> Run:
    """Enter a check whose failure is a limit of a stranger's implementation."""
    return _entered(run, LIMIT)


def _entered(run: Run, level: str) -> Run:
    says = (run.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    CHECKS[run.__name__] = Check(run.__name__, says, level, run)
    return run
