"""LayerDrop: whole layers of a stack, so that a part of it can be used alone."""

from typing import Any, SupportsFloat

import numpy.typing as npt

from thinned.methods import zoneout
from thinned.methods.entry import Entry, Moments, Paper, Row
from thinned.methods.plain import plain


def moments(x: npt.ArrayLike, y: npt.ArrayLike, rate: SupportsFloat) -> Moments:
    """Of one layer that takes `x` to `y`, or is dropped.

    The mean is `(1 - q) y + q x`, the variance `q (1 - q) (y - x)^2`.

    Args:
        x: the layer's input.
        y: what it gives of it.
        rate: probability of dropping the layer, a constant in [0, 1].

    Raises:
        RateError: a rate that no threshold stands for.

    Example:
        >>> moments([1.0], [3.0], 0.25)
        Moments(mean=array([2.5]), variance=array([0.75]))
    """
    return zoneout.moments(y, x, rate)


def check_stride(n: Any) -> None:
    """Refuse to keep every n-th layer where `n` is no whole number of at least 1.

    Raises:
        ValueError: says what it must be.

    Example:
        >>> check_stride(0)
        Traceback (most recent call last):
        ValueError: expected to keep every n-th layer, n a whole number of at least 1; got 0.
    """
    n = plain(n)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"expected to keep every n-th layer, n a whole number of at least 1; got {n!r}.")


ENTRY = Entry(
    name="LayerDrop",
    row=Row("whole layer", "Bernoulli(rate)", sharing="batch", correction="none"),
    paper=Paper(
        "Fan, Grave, Joulin",
        "Reducing Transformer Depth on Demand with Structured Dropout",
        2020,
        "https://arxiv.org/abs/1909.11556",
    ),
    layers=(
        "torch.LayerDrop",
        "flax.LayerDrop",
        "flax.linen.LayerDrop",
        "keras.layers.LayerDrop",
    ),
    example="[nn.Linear(16, 16), nn.Linear(16, 16)], 0.5",
    cost="less than none: a dropped layer is not run (under torch.compile it is, and one pass over memory)",
    moments=moments,
)
