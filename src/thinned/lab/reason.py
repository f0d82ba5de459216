"""Why a run has no outcome, in words for whoever reads them in a terminal."""

import traceback
from pathlib import Path

ADVICE = "fewer --jobs, a smaller network or a smaller batch take less"

NO_MEMORY = ("can't allocate memory", "out of memory", "not enough memory")
"""What PyTorch's allocators say, on a processor and on a GPU, in errors that have no class of their own."""


def in_a_line(error: BaseException) -> str:
    r"""An error with the place in the user's own source, where there is one, that led to it.

    Example:
        >>> in_a_line(ValueError("first\nsecond"))
        'ValueError: first second'
    """
    every = list(traceback.extract_tb(error.__traceback__))
    frames = [each for each in every if "site-packages" not in Path(each.filename).parts] or every
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{_words(error)}{place}"


def reason(error: BaseException) -> str:
    """The last lines of an error's traceback; of one for lack of memory, that and what takes less.

    Example:
        >>> reason(MemoryError("64 GiB"))
        'There was no memory left for it (MemoryError: 64 GiB); fewer --jobs, a smaller network or a smaller batch take less.'
    """  # noqa: E501 - a doctest's line
    last = _words(error).rstrip(". ")
    if isinstance(error, MemoryError) or any(each in last for each in NO_MEMORY):
        return f"There was no memory left for it ({last}); {ADVICE}."
    return "".join(traceback.format_exception(error, limit=-3))


def last_line(reason: str) -> str:
    """A reason in a line: of a traceback the error, which may have several lines, of anything else the beginning.

    Example:
        >>> last_line(reason(ValueError("5 features"))), last_line("The worker ended.")
        ('ValueError: 5 features', 'The worker ended.')
    """
    lines = reason.strip().splitlines() or ["no reason was given"]
    if not lines[0].startswith("Traceback"):
        return lines[0]
    frames = [k for k, line in enumerate(lines) if line.startswith("  ")]
    return " ".join(line.strip() for line in lines[max(frames, default=0) + 1 :])


def _words(error: BaseException) -> str:
    return " ".join("".join(traceback.format_exception_only(error)).split())
