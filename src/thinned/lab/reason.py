"""Why a run has no outcome, in words for whoever reads them in a terminal."""

import traceback

ADVICE = "fewer --jobs, a smaller network or a smaller batch take less"

NO_MEMORY = ("can't allocate memory", "out of memory", "not enough memory")
"""What PyTorch's allocators say, on a processor and on a GPU, in errors that have no class of their own."""


def reason(error: BaseException) -> str:
    """The last lines of an error's traceback; of one for lack of memory, that and what takes less.

    Example:
        >>> reason(MemoryError("64 GiB"))
        'There was no memory left for it (MemoryError: 64 GiB); fewer --jobs, a smaller network or a smaller batch take less.'
    """  # noqa: E501 - a doctest's line
    last = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1].rstrip(". ")
    if isinstance(error, MemoryError) or any(each in last for each in NO_MEMORY):
        return f"There was no memory left for it ({last}); {ADVICE}."
    return "".join(traceback.format_exception(error, limit=-3))
