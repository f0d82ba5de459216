"""Which line of whose source made a call: the nearest one outside the framework and outside this library."""

import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import torch
from torch import nn

_OWN = tuple(str(Path(root).resolve().parent) + "/" for root in (torch.__file__, __file__.rsplit("/", 1)[0]))
"""Folders whose lines are nobody's call: PyTorch, and `thinned` itself."""

made: "weakref.WeakKeyDictionary[nn.Module, tuple[str, int]]" = weakref.WeakKeyDictionary()
"""Where modules were made, of those that were made within `noting_constructions`."""


def nearest(stop: CodeType | None = None) -> tuple[str | None, int | None]:
    """File and line of the innermost frame that is the user's; none where only `stop` is above.

    Args:
        stop: the code that runs the model; what called it is not what drew.
    """
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code is not stop:
        file = frame.f_code.co_filename
        if not file.startswith(_OWN) and not file.startswith("<"):
            return file, frame.f_lineno
        frame = frame.f_back
    return None, None


@contextmanager
def noting_constructions() -> Iterator[None]:
    """Within it, each module that is made notes the line that made it."""
    original = nn.Module.__init__

    def noting(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        file, line = nearest()
        if file is not None and line is not None:
            made[self] = (file, line)

    nn.Module.__init__ = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__init__ = original  # type: ignore[method-assign]
