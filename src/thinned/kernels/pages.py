"""Large pages for fresh memory, where the system gives them on request.

The first write to each 4 KiB page of a fresh array costs about as long as the kernel takes for a hundred thousand
elements; a page of 2 MiB costs little more than one of them. NumPy asks for them too.
"""

import ctypes
import sys
from collections.abc import Callable

_HUGE = 1 << 21
_ADVICE = 14
"""Linux's MADV_HUGEPAGE."""

LEAST = 2 * _HUGE
"""Smaller arrays hold no whole large page worth a call."""


def _madvise() -> Callable[[int, int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        function = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return None
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    found: Callable[[int, int, int], int] = function
    return found


_call = _madvise()


def ask_for_large(address: int, size: int) -> None:
    """Ask for large pages where memory that is about to be written throughout holds whole ones.

    It is advice: where it cannot be had nothing happens. Only pages that lie wholly within are asked for, so that
    no more memory is used than without.

    Args:
        address: of the first byte.
        size: in bytes.
    """
    if size < LEAST or _call is None:
        return
    start, end = -(-address // _HUGE) * _HUGE, (address + size) // _HUGE * _HUGE
    _call(start, end - start, _ADVICE)
