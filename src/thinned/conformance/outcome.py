"""What a check can say: passed, failed, or that it cannot apply."""

from dataclasses import dataclass, field

PASSED, WRONG, LIMIT, NOT_APPLICABLE = "passed", "wrong", "limit", "not applicable"
EXPECTED, UNEXPECTED = "expected failure", "unexpectedly passed"


class NotApplicableError(Exception):
    """A check that has no meaning for a subject; the message says because of what."""


class FailedError(Exception):
    """A check that found something.

    Args:
        measured: what was seen, with figures.
        expected: what should have been.
        likely: the probable mistake, in words; empty where there is no guess.
        limit: whether it is a limit, although the check's failures are wrong.
    """

    def __init__(self, measured: str, expected: str, likely: str = "", *, limit: bool = False) -> None:
        super().__init__(measured)
        self.limit = limit
        self.measured, self.expected, self.likely = measured, expected, likely


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found.

    Args:
        check: its name.
        says: its sentence.
        status: one of the constants of this module.
        measured: what was seen; of a check that does not apply, because of what.
        expected: of a failure.
        likely: the probable mistake, in words.
    """

    check: str
    says: str
    status: str
    measured: str = ""
    expected: str = ""
    likely: str = field(default="")

    @property
    def failed(self) -> bool:
        """Whether it found something."""
        return self.status in {WRONG, LIMIT, UNEXPECTED}
