"""Numba's `njit`, also where `NUMBA_DISABLE_JIT` is set: kernels are vectors of LLVM's, which Python cannot run.

The variable is for debugging one's own functions, which may stand beside ours in one process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba

__all__ = ["enabled", "njit"]


@contextmanager
def enabled() -> Iterator[None]:
    """A context in which Numba compiles."""
    config: Any = numba.config  # Numba has no types
    before, config.DISABLE_JIT = config.DISABLE_JIT, 0
    try:
        yield
    finally:
        config.DISABLE_JIT = before


def njit(*arguments: Any, **options: Any) -> Any:
    """`numba.njit`, as a decorator with or without options."""
    if arguments and callable(arguments[0]):
        return njit()(arguments[0])

    def decorate(function: Any) -> Any:
        with enabled():
            return numba.njit(*arguments, **options)(function)

    return decorate
