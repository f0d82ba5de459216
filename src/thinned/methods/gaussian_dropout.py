"""Gaussian dropout: every activation times a normal of mean 1 and dropout's own variance."""

import math
from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.mask.rate import LEVELS
from thinned.methods.dropout import moments as dropout_moments
from thinned.methods.entry import Entry, Moments, Paper, Row
from thinned.methods.law import MULTIPLY, NORMAL, NOTHING, Law, Setting, clamped, odds


def _factors(q: Any, xp: Any) -> tuple[Any, Any, Any]:
    return xp.sqrt(odds(q)), 1.0, 0.0


def _setting(amount: int) -> Setting:
    level = clamped(amount)
    return NOTHING if level == LEVELS else Setting(NORMAL, MULTIPLY, 0, *_factors(level / LEVELS, math))


LAW = Law("gaussian", _setting, factors=_factors)


def moments(x: npt.ArrayLike, rate: SupportsFloat) -> Moments:
    """Of `y = x (1 + s z)`, `s^2 = q / (1 - q)` with the quantised rate `q`: `E = x`, `Var = x^2 q / (1 - q)`.

    Both are dropout's own. The law's normals have variance 1 to within 3e-9. At rate 1, where the variance has no
    limit, nothing is left.

    Args:
        x: the input.
        rate: of the dropout that has this variance, a constant in [0, 1].

    Raises:
        RateError: a rate that no threshold stands for.

    Example:
        >>> moments([3.0], 0.5)
        Moments(mean=array([3.]), variance=array([9.]))
    """
    return dropout_moments(np.asarray(x, np.float64), rate)


ENTRY = Entry(
    name="GaussianDropout",
    row=Row("activations", "multiplicative normal", sharing="none", correction="mean 1"),
    paper=Paper(
        "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov",
        "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
        2014,
        "https://jmlr.org/papers/v15/srivastava14a.html",
    ),
    layers=(
        "torch.GaussianDropout",
        "flax.GaussianDropout",
        "flax.linen.GaussianDropout",
        "keras.layers.GaussianDropout",
    ),
    cost="one pass over memory, and two words a pair of elements",
    moments=moments,
)
