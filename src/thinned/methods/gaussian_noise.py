"""Gaussian noise: a normal added to every input."""

from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.methods.entry import Entry, Moments, Paper, Row
from thinned.methods.law import ADD, EVERYTHING, NORMAL, Law, Setting, check_size, size_of


def _setting(amount: int) -> Setting:
    size = size_of(amount)
    return Setting(NORMAL, ADD, a=size) if size else EVERYTHING


LAW = Law("noise", _setting, measure="size", passes=True, factors=lambda size, _: (size, -0.0, 0.0))


def moments(x: npt.ArrayLike, std: SupportsFloat) -> Moments:
    """Of `y = x + s z`: `E = x`, `Var = s^2`.

    Args:
        x: the input.
        std: s, 0 or more.

    Raises:
        RateError: a standard deviation that is negative or no finite number.

    Example:
        >>> moments([3.0], 0.5)
        Moments(mean=array([3.]), variance=array([0.25]))
    """
    size, x = check_size(std), np.asarray(x, np.float64)
    return Moments(x * 1, np.full_like(x, size**2))


ENTRY = Entry(
    name="GaussianNoise",
    row=Row("inputs", "additive normal", sharing="none", correction="none"),
    paper=Paper(
        "Bishop",
        "Training with Noise is Equivalent to Tikhonov Regularization",
        1995,
        "https://doi.org/10.1162/neco.1995.7.1.108",
    ),
    layers=(
        "torch.GaussianNoise",
        "flax.GaussianNoise",
        "flax.linen.GaussianNoise",
        "keras.layers.GaussianNoise",
    ),
    example="0.1",
    cost="one pass over memory, and two words a pair of elements",
    moments=moments,
)
