"""Compile a kernel once for each stored type, keep it on disk, and say so in one line when that takes time."""

import sys
import threading
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
import numpy as np
from numba import types

from thinned.kernels import cpu

STORED = {
    np.dtype(np.float32): types.float32,
    np.dtype(np.float64): types.float64,
    np.dtype(np.uint16): types.uint16,
    np.dtype(np.int16): types.int16,
}
"""How each array dtype is compiled; half types come as integers, see `kernels.cpu`."""

_NAMES = {types.uint16: "bfloat16", types.int16: "float16"}
_lock = threading.Lock()


@lru_cache(maxsize=None)
def kernel(name: str, dtype: np.dtype[Any]) -> Callable[..., None]:
    """The compiled kernel `name` for arrays of `dtype`, from the disk cache where it is there.

    The cache lies beside the source, or in the user's cache folder where that is read-only; where neither
    can be written, the kernel is compiled anew in each process, and that is no error.
    """
    function, signature = cpu.KERNELS[name]
    stored = STORED[dtype]
    with _lock, numba.core.event.install_listener("numba:compile", _Notice(name, str(_NAMES.get(stored, stored)))):
        dispatcher = _dispatcher(function)
        with warnings.catch_warnings():
            # A cache that cannot be written or read costs time, not correctness.
            warnings.simplefilter("ignore", numba.core.errors.NumbaWarning)
            dispatcher.compile(signature(stored, cpu.FACTORS[stored]))
        # From here Numba converts arguments (Python integers to 64-bit words) and never compiles again.
        dispatcher.disable_compile()
    return dispatcher  # type: ignore[no-any-return]


def _dispatcher(function: Callable[..., None]) -> Any:
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # no folder to keep it in
        return numba.njit(nogil=True, error_model="numpy")(function)


class _Notice(numba.core.event.Listener):  # type: ignore[misc]
    """Prints one line when Numba really compiles, and nothing when it finds the kernel on disk."""

    def __init__(self, name: str, dtype: str) -> None:
        self._line: str | None = f"thinned: compiling the CPU kernel {name!r} for {dtype}, once (a few seconds)"

    def on_start(self, event: Any) -> None:
        if self._line is not None:
            print(self._line, file=sys.stderr, flush=True)
            self._line = None

    def on_end(self, event: Any) -> None:
        pass
