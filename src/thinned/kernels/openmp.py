"""An OpenMP team that is already awake: the threads that a framework's own operations run on.

A framework that computes with OpenMP leaves its threads spinning for the next operation. Threads of our own would
compete with them for the same processors; entering the same team costs a microsecond and competes with nobody.
"""

import ctypes
import os
from pathlib import Path

from thinned.kernels.block import Block
from thinned.kernels.compiled import Kernel
from thinned.kernels.execute import Team, crew

_teams: list["_OpenMP"] = []


def _after_fork() -> None:
    for each in _teams:  # GNU's runtime cannot start a team in a child of a process that had one
        each.parallel = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _OpenMP:
    """The threads of an OpenMP runtime."""

    def __init__(self, library: Path) -> None:
        function = ctypes.CDLL(str(library)).GOMP_parallel
        function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        function.restype = None
        self._function = function
        self.parallel: int = ctypes.cast(function, ctypes.c_void_p).value or 0
        _teams.append(self)

    def __call__(self, kernel: Kernel, block: Block, threads: int, owners: object) -> None:
        if self.parallel:
            self._function(kernel.address, block, threads, 0)
        else:
            crew(kernel, block, threads, owners)


def team(library: Path) -> Team:
    """The team of an OpenMP runtime that this process has loaded.

    In a forked child, where OpenMP's threads are gone and cannot be made again, our own crew takes over.

    Args:
        library: of the runtime: GNU's libgomp, or one with its entry points.

    Raises:
        OSError: no such library.
        AttributeError: one without `GOMP_parallel`.
    """
    return _OpenMP(library)
