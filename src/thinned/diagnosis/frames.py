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


Line = tuple[str, int, str]
"""File, line, and the name of the function that it stands in."""
DEEPEST = 12


def callers(stop: CodeType | None = None, deepest: int = DEEPEST) -> tuple[Line, ...]:
    """The frames that are the user's, from the innermost on; none where only `stop` is above.

    Args:
        stop: the code that runs the model; what called it is not what drew.
        deepest: how many at most.
    """
    frame: Any = sys._getframe(1)
    found: list[Line] = []
    while frame is not None and frame.f_code is not stop and len(found) < deepest:
        file = frame.f_code.co_filename
        if is_users(file):
            found.append((file, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return tuple(found)


def is_users(file: str) -> bool:
    """Whether a file of source is neither PyTorch's nor ours."""
    return not file.startswith(_OWN) and not file.startswith("<")


@contextmanager
def noting_constructions() -> Iterator[None]:
    """Within it, each module that is made notes the line that made it."""
    original = nn.Module.__init__

    def noting(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        for file, line, _ in callers(deepest=1):
            made[self] = (file, line)

    nn.Module.__init__ = noting  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module.__init__ = original  # type: ignore[method-assign]
