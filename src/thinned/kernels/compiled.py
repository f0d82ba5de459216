"""Compile a kernel once for each stored type, keep it on disk; when that takes time, say so in one line."""

import ctypes
import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding
import numba
from numba.core.caching import FunctionCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.event import Listener, install_listener

from thinned.kernels.block import Block
from thinned.kernels.jit import enabled, njit

_HOMES = {
    "thin": "cpu",
    "relu_gradient": "cpu",
    "law": "noise",
    "drop_block": "blocks",
    "connect": "connect",
    "connect_backward": "connect",
}
"""Which file holds a kernel: its `KERNELS` has a C function for each stored type."""

_SIGNATURE = numba.types.void(numba.types.int64)

_LLVM_VERSIONS = range(14, 23)

_Prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class Kernel:
    """Machine code, ready to run.

    Args:
        address: of a C function of one argument, the address of a block.
        call: the same for Python; releases the GIL.
        code: what owns the machine code.
    """

    address: int
    call: Callable[[Block], None]
    code: Any


_lock = threading.Lock()


@cache
def kernel(name: str, dtype: str) -> Kernel:
    """The compiled kernel `name` for float32, float64, bfloat16 or float16, from disk where it is there.

    The cache lies beside the source, or in the user's cache folder where that is read-only; where neither
    can be written, the kernel is compiled anew in each process, and that is no error. A damaged entry is replaced.
    """
    with _lock:
        return _kernel(name, dtype)


@cache  # twice: the outer cache lets two threads that come at once both in
def _kernel(name: str, dtype: str) -> Kernel:
    home = importlib.import_module(f"thinned.kernels.{_HOMES[name]}")
    with install_listener("numba:compile", _Notice(f"{name!r} for {dtype}")):
        code = _built(home.KERNELS[name][dtype], _for_c)
    return Kernel(code.address, _Prototype(code.address), code)


def entry() -> Callable[..., None]:
    """`entry.enter`, compiled for Python's integers; kept as kernels are. It releases the GIL."""
    with _lock:
        return _entry()


@cache
def _entry() -> Callable[..., None]:
    home = importlib.import_module("thinned.kernels.entry")

    def for_python(function: Any, on_disk: bool) -> Any:
        return njit(home.SIGNATURE, nogil=True, error_model="numpy", cache=on_disk)(function)

    # No notice: it takes a sixth of a second.
    found: Callable[..., None] = _built(home.enter, for_python)
    return found


_Make = Callable[[Any, bool], Any]
"""Compiles a function, and keeps it on disk or not."""


def _for_c(function: Any, on_disk: bool) -> Any:
    return numba.cfunc(_SIGNATURE, error_model="numpy", cache=on_disk)(function)


def _built(function: Any, make: _Make) -> Any:
    try:
        return _compiled(function, make, on_disk=True)
    except Exception:
        # No folder to keep it in, a full disk, a damaged file: that costs time, not correctness.
        return _compiled_anew(function, make)


def _compiled_anew(function: Any, make: _Make) -> Any:
    """Forget what the disk has, and put a good one in its place; where that cannot be, keep none.

    Numba reads a damaged index before it writes the next one, so left to itself it would never mend it.
    """
    try:
        cache: Any = FunctionCache  # Numba has no types
        cache(function).flush()
        return _compiled(function, make, on_disk=True)
    except Exception:  # a kernel's own error comes up again
        return _compiled(function, make, on_disk=False)


def _compiled(function: Any, make: _Make, *, on_disk: bool) -> Any:
    with global_compiler_lock, enabled(), _interleaved():
        return make(function, on_disk)


@contextmanager
def _interleaved() -> Iterator[None]:
    """Have LLVM run four vectors of a loop side by side, while this thread alone compiles.

    Philox is one long chain of dependent operations; its throughput comes from chains that overlap, and left to
    itself LLVM starts one. Four give 1.3 times the words on a Zen 4.
    """
    # LLVM ends the process at an option that it does not know, so only versions that were looked at are asked.
    known = llvmlite.binding.llvm_version_info[0] in _LLVM_VERSIONS
    if known:
        llvmlite.binding.set_option("", "-force-vector-interleave=4")
    try:
        yield
    finally:
        if known:
            llvmlite.binding.set_option("", "-force-vector-interleave=0")


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
