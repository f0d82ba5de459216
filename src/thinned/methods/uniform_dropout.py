"""Uniform dropout: every activation times a uniform draw of mean 1 and dropout's own variance."""

import math
from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.mask.rate import LEVELS, quantise
from thinned.methods.entry import Entry, Moments, Paper, Row
from thinned.methods.law import MULTIPLY, NOTHING, UNIFORM, Law, Setting, clamped, odds

GRID = 1 - LEVELS**-2.0
"""The variance of 65536 equal steps, as a share of that of an interval."""


def _factors(q: Any, xp: Any) -> tuple[Any, Any, Any]:
    return xp.sqrt(3 * odds(q)), 1.0, 0.0


def _setting(amount: int) -> Setting:
    level = clamped(amount)
    return NOTHING if level == LEVELS else Setting(UNIFORM, MULTIPLY, 0, *_factors(level / LEVELS, math))


LAW = Law("uniform dropout", _setting, factors=_factors)


def moments(x: npt.ArrayLike, rate: SupportsFloat) -> Moments:
    """Of `y = x (1 + w (2u - 1))`, `w^2 = 3 q / (1 - q)` with the quantised rate `q`: `E = x`.

    `Var = x^2 (1 - 2^-32) q / (1 - q)`: dropout's own, but for the law's uniform draws being 65536 steps. At rate
    1, where the variance has no limit, nothing is left.

    Args:
        x: the input.
        rate: of the dropout that has this variance, a constant in [0, 1].

    Raises:
        RateError: a rate that no threshold stands for.

    Example:
        >>> moments([3.0], 0.5).mean
        array([3.])
    """
    q, x = quantise(rate), np.asarray(x, np.float64)
    return Moments(x * 0, x * 0) if q == 1 else Moments(x * 1, x**2 * (GRID * q / (1 - q)))


ENTRY = Entry(
    name="UniformDropout",
    row=Row("activations", "multiplicative uniform", sharing="none", correction="mean 1"),
    paper=Paper(
        "Shen, Tian, Liu, Xu, Tao",
        "Continuous Dropout",
        2018,
        "https://arxiv.org/abs/1911.12675",
    ),
    layers=(
        "torch.UniformDropout",
        "flax.UniformDropout",
        "flax.linen.UniformDropout",
        "keras.layers.UniformDropout",
    ),
    example="0.25",
    moments=moments,
)
