"""Concrete dropout: a rate that is learned, through a relaxed mask that has a gradient.

Everything is a function of the rate's logit `a = log(p / (1 - p))`, the parameter that is trained.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.errors import RateError
from thinned.mask.rate import LEVELS
from thinned.methods.entry import Entry, Moments, Paper, Row
from thinned.methods.plain import plain
from thinned.methods.schedule import Schedule


@lru_cache(maxsize=1)
def noise() -> npt.NDArray[np.float64]:
    """`log((1 - u) / u)` of each half-word's uniform `u = (h + 0.5) / 65536`; entry h belongs to h.

    Example:
        >>> bool(noise()[32767] > 0 > noise()[32768]), len(noise())
        (True, 65536)
    """
    odd = 2 * np.arange(LEVELS, dtype=np.float64) + 1
    table = np.log((2 * LEVELS - odd) / odd)
    table.flags.writeable = False
    return table


def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))` of float64 arrays: 0 where the exponential has no limit.

    Example:
        >>> sigmoid(np.array([-1e4, 0.0])).tolist()
        [0.0, 0.5]
    """
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def factor(logit: Any, noise: Any, temperature: float, sigmoid: Callable[[Any], Any] = sigmoid) -> Any:
    """What an element is multiplied by: the relaxed mask on its scale.

        m = (1 - z) / (1 - p),   z = sigmoid((a + log((1 - u) / u)) / t)

    Args:
        logit: `a`, an array of one number.
        noise: `log((1 - u) / u)` of each element.
        temperature: `t`; as it falls, `z` is above 1/2 where dropout drops, and becomes dropout's mask.
        sigmoid: the framework's, for its arrays.
    """
    return sigmoid((logit + noise) / -temperature) / sigmoid(-logit)


def slope(logit: Any, noise: Any, temperature: float, sigmoid: Callable[[Any], Any] = sigmoid) -> Any:
    """The derivative of `factor` by the logit, as a multiple of it: `p - z / t`."""
    return sigmoid(logit) - sigmoid((logit + noise) / temperature) / temperature


def penalty(
    logit: Any,
    squares: Any,
    inputs: int,
    weight_regulariser: float,
    dropout_regulariser: float,
    sigmoid: Callable[[Any], Any],
    log_sigmoid: Callable[[Any], Any],
) -> Any:
    """The regulariser of one layer, which holds the rate up against the data term that pulls it down.

        w ||W||^2 / (1 - p)  +  d K (p log p + (1 - p) log(1 - p))

    Args:
        logit: `a`, an array of one number.
        squares: `||W||^2`, the sum of the squared weights behind the mask.
        inputs: `K`, how many inputs have draws of their own.
        weight_regulariser: `w`.
        dropout_regulariser: `d`.
        sigmoid: the framework's, for its arrays.
        log_sigmoid: its logarithm, which loses nothing where the rate is near to 0 or 1.
    """
    p, log_kept = sigmoid(logit), log_sigmoid(-logit)
    entropy = p * logit + log_kept  # p log p + (1 - p) log(1 - p), with log p = a + log(1 - p)
    return weight_regulariser * squares / sigmoid(-logit) + dropout_regulariser * inputs * entropy


def logit_of(rate: SupportsFloat) -> float:
    """The parameter that stands for a rate.

    Raises:
        RateError: a rate that is not between 0 and 1, or a schedule.

    Example:
        >>> logit_of(0.5)
        0.0
    """
    if isinstance(rate, Schedule):
        raise RateError(f"expected a rate to begin with, since it is learned; got the schedule {rate}.")
    try:
        value = math.nan if isinstance(rate, (bool, str, bytes)) else float(rate)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 < value < 1:
        raise RateError(
            f"expected a rate between 0 and 1, neither of which can be learned away from; got {rate!r}. For a rate "
            "that stays, use Dropout."
        )
    return math.log(value) - math.log1p(-value)


def check_positive(name: str, value: float, *, zero: bool = False) -> float:
    """A temperature, or what a term of the regulariser is multiplied by.

    Raises:
        RateError: no finite number above 0; or at 0, where that is not allowed.
    """
    value = plain(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not (0 < value < math.inf or (zero and value == 0))
    ):
        raise RateError(
            f"expected {name} as a finite number {'from 0 on' if zero else 'above 0'}; got {value!r}."
        )
    return float(value)


def moments(x: npt.ArrayLike, rate: SupportsFloat = 0.1, temperature: float = 0.1) -> Moments:
    """Of `y = m x`: the mean and variance of `m` over the 65536 uniforms that the law knows, exactly.

    The relaxed mask is not unbiased, except at rate 1/2 and as the temperature falls: at rate 0.1 and temperature
    0.1 the mean of `m` is 0.13 % below 1. That is the paper's method, and `moments` says by how much.

    Args:
        x: the input.
        rate: probability of dropping, between 0 and 1.
        temperature: of the relaxation.

    Raises:
        RateError: as `logit_of`.

    Example:
        >>> moments([1.0], 0.5).mean.round(12), moments([1.0], 0.1).mean.round(4)
        (array([1.]), array([0.9987]))
    """
    factors, x = factor(np.float64(logit_of(rate)), noise(), temperature), np.asarray(x, np.float64)
    return Moments(x * factors.mean(), x**2 * factors.var())


ENTRY = Entry(
    name="ConcreteDropout",
    row=Row(
        "activations",
        "relaxed Bernoulli(rate)",
        sharing="none; channel before a convolution",
        correction="inverted scale",
        rate="learned",
    ),
    paper=Paper("Gal, Hron, Kendall", "Concrete Dropout", 2017, "https://arxiv.org/abs/1705.07832"),
    layers=(
        "torch.ConcreteDropout",
        "flax.ConcreteDropout",
        "flax.linen.ConcreteDropout",
        "keras.layers.ConcreteDropout",
    ),
    note="its regulariser: `concrete_regulariser` of PyTorch's and Flax's; in Keras it is among the model's losses",
    example="nn.Linear(16, 8)",
    shape=(8, 16),
    cost="one pass over memory, a logarithm and an exponential an element",
    moments=moments,
)
