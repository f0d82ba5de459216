"""What this thread is doing with models: calls of bound ones, and a look at where they drop."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from jax import Array


@dataclass
class Note:
    """One layer that a look has met: its name, where known; what was given to it."""

    layer: Any
    name: str
    rate: Any
    mask_shape: tuple[int, ...]


class _Thread(threading.local):
    """Of each thread its own."""

    def __init__(self) -> None:
        self.notes: list[Note] | None = None
        self.roots: list[Any] = []
        self.linen: list[Call] = []


@dataclass
class Call:
    """A call of a bound Linen model: its address, and how often each layer has drawn in it."""

    seed: int
    step: Any
    uses: Counter[str] = field(default_factory=Counter)

    def count(self, name: str) -> int:
        """How often the layer has drawn before."""
        self.uses[name] += 1
        return self.uses[name] - 1


thread = _Thread()


def is_zero(rate: Any) -> bool:
    """Whether a rate is known to be 0; one that is traced is not."""
    return not isinstance(rate, Array) and rate == 0
