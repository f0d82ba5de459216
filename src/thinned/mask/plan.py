"""A plan: every decision about one masked operation, made once in plain Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import SupportsFloat

from thinned.mask.rate import scale, threshold
from thinned.mask.sharing import Layout, Rows, Share, Window, layout, rows


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a framework or a kernel needs in order to execute a mask: no decision is left to it.

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


def plan(shape: Sequence[int], rate: SupportsFloat, share: Share = (), window: Window | None = None) -> Plan:
    """Plan a Bernoulli mask with inverted scale.

    Args:
        shape: of the array that the mask is for.
        rate: probability of dropping, a constant in [0, 1].
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where the array is part of a larger one.

    Raises:
        RateError: a rate that no threshold stands for.
        ShareError: an axis that is not there, or twice.
        WindowError: a window that does not lie in its global shape.

    Example:
        >>> plan((2, 3, 8, 8), 0.25, share=(2, 3)).where.mask_shape
        (2, 3, 1, 1)
    """
    level = threshold(rate)
    return Plan(layout(shape, share, window), level, scale(level))


@lru_cache(maxsize=256)
def _rows(where: Layout) -> Rows:
    # Layouts compare by identity and unwindowed ones are themselves cached, so this finds every repeated
    # shape, and a windowed layout is folded once for forward and backward.
    return rows(where)
