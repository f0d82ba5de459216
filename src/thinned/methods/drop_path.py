"""Drop path: the residual branch of each sample as a whole."""

from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.errors import ShareError
from thinned.mask.rate import quantise
from thinned.methods import dropout
from thinned.methods.entry import Entry, Moments, Paper, Row


def rest_axes(axes: int, batch_axis: int = 0) -> tuple[int, ...]:
    """The axes that a sample's draw is shared along: all but that of the batch.

    Raises:
        ShareError: there is no such axis.

    Example:
        >>> rest_axes(4), rest_axes(3, batch_axis=1)
        ((1, 2, 3), (0, 2))
    """
    if not -axes <= batch_axis < axes:
        raise ShareError(f"expected an array with a batch axis {batch_axis}; got one with {axes} axes.")
    return tuple(axis for axis in range(axes) if axis != batch_axis % axes)


def moments(x: npt.ArrayLike, rate: SupportsFloat, scale_by_keep: bool = True) -> Moments:
    """Of `y = k x / (1 - q)`, those of dropout; of `y = k x`, mean `(1 - q) x` and variance `x^2 q (1 - q)`.

    Args:
        x: the input, a residual branch.
        rate: probability of dropping, a constant in [0, 1].
        scale_by_keep: whether what is kept is scaled.

    Raises:
        RateError: as `thinned.mask.threshold`.

    Example:
        >>> moments([2.0], 0.25, scale_by_keep=False)
        Moments(mean=array([1.5]), variance=array([0.75]))
    """
    if scale_by_keep:
        return dropout.moments(x, rate)
    q, x = quantise(rate), np.asarray(x, np.float64)
    return Moments(x * (1 - q), x**2 * (q * (1 - q)))


ENTRY = Entry(
    name="DropPath",
    row=Row("residual branch", "Bernoulli(rate)", sharing="sample", correction="inverted scale"),
    paper=Paper(
        "Larsson, Maire, Shakhnarovich",
        "FractalNet: Ultra-Deep Neural Networks without Residuals",
        2017,
        "https://arxiv.org/abs/1605.07648",
    ),
    layers=("torch.DropPath", "flax.DropPath", "flax.linen.DropPath", "keras.layers.DropPath"),
    example="0.5, scale_by_keep=True",
    shape=(8, 5, 16),
    moments=moments,
)
