"""Stochastic depth: a residual branch is run for the whole batch, or not at all."""

from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.methods import dropout
from thinned.methods.entry import Entry, Moments, Paper, Row


def moments(x: npt.ArrayLike, rate: SupportsFloat, branch: npt.ArrayLike) -> Moments:
    """Of `y = x + k f(x) / (1 - q)`: the mean is `x + f(x)`, the variance that of dropout on `f(x)`.

    Args:
        x: the input, or what the shortcut makes of it.
        rate: probability of dropping, a constant in [0, 1].
        branch: `f(x)`, like `x`.

    Raises:
        RateError: as `thinned.mask.threshold`.

    Example:
        >>> moments([1.0], 0.5, branch=[3.0])
        Moments(mean=array([4.]), variance=array([9.]))
    """
    mean, variance = dropout.moments(branch, rate)
    return Moments(np.asarray(x, np.float64) + mean, variance)


ENTRY = Entry(
    name="StochasticDepth",
    row=Row("residual branch", "Bernoulli(rate)", sharing="batch", correction="inverted scale"),
    paper=Paper(
        "Huang, Sun, Liu, Sedra, Weinberger",
        "Deep Networks with Stochastic Depth",
        2016,
        "https://arxiv.org/abs/1603.09382",
    ),
    layers=(
        "torch.StochasticDepth",
        "flax.StochasticDepth",
        "flax.linen.StochasticDepth",
        "keras.layers.StochasticDepth",
    ),
    note="as a function, `jax.stochastic_depth`",
    example="nn.Linear(16, 16), 0.5",
    cost="less than none: a dropped branch is not run (under torch.compile it is, and one pass over memory)",
    moments=moments,
)
