"""Stochastic ReLU: a rectifier that is off at random, and scaled where it is on."""

from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.methods.dropout import moments as dropout_moments
from thinned.methods.entry import Entry, Moments, Paper, Row


def moments(x: npt.ArrayLike, rate: SupportsFloat) -> Moments:
    """Of `y = k relu(x) / (1 - q)`: `E = relu(x)`, `Var = relu(x)^2 q / (1 - q)`; `q` is the quantised rate.

    Args:
        x: the input.
        rate: probability that a rectifier is off, a constant in [0, 1].

    Raises:
        RateError: a rate that no threshold stands for.

    Example:
        >>> moments([-3.0, 3.0], 0.5)
        Moments(mean=array([0., 3.]), variance=array([0., 9.]))
    """
    return dropout_moments(np.maximum(np.asarray(x, np.float64), 0), rate)


ENTRY = Entry(
    name="StochasticReLU",
    row=Row("activations", "Bernoulli(rate)", sharing="none", correction="inverted scale"),
    paper=Paper(
        "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov",
        "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
        2014,
        "https://jmlr.org/papers/v15/srivastava14a.html",
    ),
    layers=(
        "torch.StochasticReLU",
        "flax.StochasticReLU",
        "flax.linen.StochasticReLU",
        "keras.layers.StochasticReLU",
    ),
    cost="none beyond that of nn.ReLU: one pass over memory",
    moments=moments,
)
