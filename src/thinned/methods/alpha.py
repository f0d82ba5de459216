"""Alpha dropout: dropped units take SELU's lower limit, and an affine map keeps mean 0 and variance 1."""

import math
from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.errors import ShareError
from thinned.mask.rate import LEVELS, threshold
from thinned.methods.entry import Entry, Moments, Paper, Row
from thinned.methods.law import HALF, NOTHING, SELECT, Law, Setting, clamped

LIMIT = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
"""What SELU tends to far below zero, `-lambda alpha` in the paper's letters."""


def affine(q: float) -> tuple[float, float, float]:
    """Slope, shift, and what a dropped unit becomes, for a rate below 1.

        a = ((1 - q) (1 + q alpha'^2))^(-1/2),   b = -a q alpha',   c = a alpha' + b

    Example:
        >>> [round(value, 4) for value in affine(0.5)]
        [0.8864, 0.7792, -0.7792]
    """
    a, b, c = _factors(q, math)
    return a, b or -0.0, c


def _factors(q: Any, xp: Any) -> tuple[Any, Any, Any]:
    a = 1 / xp.sqrt((1 - q) * (1 + q * LIMIT**2))
    return a, -a * q * LIMIT, a * LIMIT * (1 - q)


def _slope(amount: int) -> Setting:
    level = clamped(amount)
    return NOTHING if level == LEVELS else Setting(HALF, SELECT, level, affine(level / LEVELS)[0])


def _setting(amount: int) -> Setting:
    level = clamped(amount)
    return NOTHING if level == LEVELS else Setting(HALF, SELECT, level, *affine(level / LEVELS))


SLOPE = Law("alpha slope", _slope, factors=lambda q, xp: (_factors(q, xp)[0], -0.0, 0.0))
LAW = Law("alpha", _setting, slope=SLOPE, factors=_factors)


def feature_axes(axes: int, channel_axis: int = 1) -> tuple[int, ...]:
    """The axes that one draw is shared along: all but those of batch, axis 0, and channel.

    Raises:
        ShareError: fewer than two axes.

    Example:
        >>> feature_axes(4), feature_axes(4, channel_axis=-1)
        ((2, 3), (1, 2))
    """
    if axes < 2:
        raise ShareError(
            f"expected an array with a batch and a channel axis for feature alpha dropout; got {axes} axes. Use "
            "alpha dropout, or add the axis that is missing."
        )
    return tuple(axis for axis in range(1, axes) if axis != channel_axis % axes)


def moments(x: npt.ArrayLike, rate: SupportsFloat) -> Moments:
    """Of `y = a x + b` where kept, else `c`.

        E[y | x] = (1 - q) (a x + b) + q c,   Var[y | x] = q (1 - q) (a x + b - c)^2

    `q` is the quantised rate.
    Over inputs of mean 0 and variance 1, `y` has mean 0 and variance 1 again. At rate 1 nothing is left.

    Args:
        x: the input.
        rate: probability of dropping, a constant in [0, 1].

    Raises:
        RateError: a rate that no threshold stands for.

    Example:
        >>> moments([0.0], 0.5).mean
        array([0.])
    """
    q, x = threshold(rate) / LEVELS, np.asarray(x, np.float64)
    if q == 1:
        return Moments(x * 0, x * 0)
    a, b, c = affine(q)
    return Moments((1 - q) * (a * x + b) + q * c, q * (1 - q) * (a * x + b - c) ** 2)


_PAPER = Paper(
    "Klambauer, Unterthiner, Mayr, Hochreiter",
    "Self-Normalizing Neural Networks",
    2017,
    "https://arxiv.org/abs/1706.02515",
)

ENTRIES = (
    Entry(
        name="AlphaDropout",
        row=Row("activations", "Bernoulli(rate)", sharing="none", correction="alpha affine"),
        paper=_PAPER,
        layers=(
            "torch.AlphaDropout",
            "flax.AlphaDropout",
            "flax.linen.AlphaDropout",
            "keras.layers.AlphaDropout",
        ),
        example="0.1",
        moments=moments,
    ),
    Entry(
        name="FeatureAlphaDropout",
        row=Row("activations", "Bernoulli(rate)", sharing="channel", correction="alpha affine"),
        paper=_PAPER,
        layers=(
            "torch.FeatureAlphaDropout",
            "flax.FeatureAlphaDropout",
            "flax.linen.FeatureAlphaDropout",
            "keras.layers.FeatureAlphaDropout",
        ),
        example="0.1",
        shape=(4, 16, 5, 5),
        moments=moments,
    ),
)
