"""What this thread is doing with models: calls of bound ones, and a look at where they drop."""

import threading
from dataclasses import dataclass
from typing import Any


@dataclass
class Note:
    """One layer that a look has met: its name; what was given to it."""

    layer: Any
    name: str
    rate: Any
    mask_shape: tuple[int, ...]


class _Thread(threading.local):
    """Of each thread its own."""

    def __init__(self) -> None:
        self.notes: list[Note] | None = None
        self.roots: list[Any] = []


thread = _Thread()
