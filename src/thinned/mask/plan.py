"""A plan: every decision about one masked operation, made once in plain Python."""

from dataclasses import dataclass
from functools import lru_cache

from thinned.mask.sharing import Layout, Rows, rows


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a framework or a kernel needs in order to execute a mask: no decision is left to it.

    A method makes one: see `thinned.methods.dropout.plan`.

    Args:
        where: how the array lies in the logical mask.
        threshold: T of the law; an element is kept iff its half-word is at least T.
        scale: what a kept element is multiplied by, in float64.
    """

    where: Layout
    threshold: int
    scale: float

    def rows(self) -> Rows:
        """The layout as kernels walk it."""
        return _rows(self.where)


@lru_cache(maxsize=256)
def _rows(where: Layout) -> Rows:
    # Layouts compare by identity and unwindowed ones are themselves cached, so this finds every repeated
    # shape, and a windowed layout is folded once for forward and backward.
    return rows(where)
