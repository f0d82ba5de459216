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

_forked = False


def _after_fork() -> None:
    global _forked  # noqa: PLW0603 - GNU's runtime cannot start a team in a child of a process that had one
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def team(library: Path) -> Team:
    """The team of an OpenMP runtime that this process has loaded.

    In a forked child, where OpenMP's threads are gone and cannot be made again, our own crew takes over.

    Args:
        library: of the runtime: GNU's libgomp, or one with its entry points.

    Raises:
        OSError: no such library.
        AttributeError: one without `GOMP_parallel`.
    """
    parallel = ctypes.CDLL(str(library)).GOMP_parallel
    parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None

    def run(kernel: Kernel, block: Block, threads: int, owners: object) -> None:
        if _forked:
            crew(kernel, block, threads, owners)
        else:
            parallel(kernel.address, block, threads, 0)

    return run
