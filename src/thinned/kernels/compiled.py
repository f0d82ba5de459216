"""Compile a kernel once for each stored type, keep it on disk; when that takes time, say so in one line."""

import sys
import threading
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core.event import Listener, install_listener

from thinned.kernels import cpu

STORED: dict[np.dtype[Any], Any] = {
    np.dtype(np.float32): types.float32,
    np.dtype(np.float64): types.float64,
    np.dtype(np.uint16): types.uint16,
    np.dtype(np.int16): types.int16,
}
"""How each array dtype is compiled; half types come as integers, see `kernels.cpu`."""

_NAMES = {types.uint16: "bfloat16", types.int16: "float16"}
_lock = threading.Lock()


@cache
def kernel(name: str, dtype: np.dtype[Any]) -> Any:
    """The compiled kernel `name` for arrays of `dtype`, from the disk cache where it is there.

    The cache lies beside the source, or in the user's cache folder where that is read-only; where neither
    can be written, the kernel is compiled anew in each process, and that is no error.
    """
    with _lock:
        return _kernel(name, dtype)


@cache  # twice: the outer cache lets two threads that come at once both in
def _kernel(name: str, dtype: np.dtype[Any]) -> Any:
    function, signature = cpu.KERNELS[name]
    stored = STORED[dtype]
    notice = _Notice(f"{name!r} for {_NAMES.get(stored, str(stored))}")
    with install_listener("numba:compile", notice):
        try:
            return _compiled(function, signature(stored, cpu.FACTORS[stored]), on_disk=True)
        except Exception:
            # No folder to keep it in, a full disk, a damaged file: that costs time, not correctness. A kernel's
            # own error comes up again.
            return _compiled(function, signature(stored, cpu.FACTORS[stored]), on_disk=False)


def _compiled(function: Any, signature: Any, *, on_disk: bool) -> Any:
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy", cache=on_disk)(function)
    dispatcher.compile(signature)
    # From here Numba converts arguments (Python integers to 64-bit words) and never compiles again.
    dispatcher.disable_compile()
    return dispatcher


class _Notice(Listener):  # type: ignore[misc, unused-ignore]
    """Prints one line when Numba really compiles, and nothing when it finds the kernel on disk."""

    def __init__(self, what: str) -> None:
        self._line: str | None = f"thinned: compiling the CPU kernel {what}, once (a few seconds)"

    def on_start(self, event: Any) -> None:
        if self._line is not None:
            print(self._line, file=sys.stderr, flush=True)
            self._line = None

    def on_end(self, event: Any) -> None:
        pass
