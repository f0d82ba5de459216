"""Whether a draw stands in the body of a loop, where backends differ in how often Python runs it."""

import functools
import importlib
import inspect
import sys
from types import CodeType, FrameType

import keras

from thinned.keras._backend import backend

_NAMES = ("map", "scan", "associative_scan", "while_loop", "fori_loop", "vectorized_map")


def place(depth: int) -> FrameType | None:
    """The frame `depth` levels above the caller; None where a compiler reads the code and there are none."""
    return sys._getframe(depth + 1) if backend.has_frames() else None


def loop_since(root: FrameType | None) -> str | None:
    """The name of a loop between here and `root`, a frame further out; None where there is none.

    A compiled loop traces its body once, and its draws would be one for all steps; an eager one runs it at each,
    and once more for the shapes. Nothing but the stack tells a loop from what else is traced: branches,
    recomputation, compiled functions.
    """
    frame = None if root is None else sys._getframe(1)
    while frame is not None and frame is not root:
        if frame.f_code in _loops() and frame.f_locals.get("unroll") is not True:
            return frame.f_code.co_name
        frame = frame.f_back
    return None


@functools.cache
def _loops() -> frozenset[CodeType]:
    """The code of Keras' loops on this backend, and of the framework's own."""
    here = f"keras.src.backend.{keras.backend.backend()}"
    core, rnn = importlib.import_module(f"{here}.core"), importlib.import_module(f"{here}.rnn")
    found = [getattr(core, name) for name in _NAMES if hasattr(core, name)]
    return frozenset(inspect.unwrap(each).__code__ for each in (*found, rnn.rnn, *backend.LOOPS))
