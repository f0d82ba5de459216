"""Zoneout: units of a recurrent state that keep the value of the step before."""

from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.errors import BindError
from thinned.mask.rate import quantise
from thinned.methods.entry import Entry, Moments, Paper, Row

HIDDEN, MEMORY = "hidden", "cell"
"""The parts of a site: a draw for the hidden state, and one for the memory cell of an LSTM."""


def expected(new: Any, old: Any, rate: Any) -> Any:
    """The state of evaluation: `(1 - rate) new + rate old`, the mean of that of training.

    Args:
        new: what the cell computed, an array of any framework.
        old: the state of the step before, like it.
        rate: the quantised probability of keeping the old value.

    Example:
        >>> expected(2.0, 4.0, 0.25)
        2.5
    """
    return (1 - rate) * new + rate * old


def check_sequence(axes: int) -> None:
    """Refuse a sequence without a batch where the model is bound to a part of one.

    Raises:
        BindError: says which axes there must be.

    Example:
        >>> check_sequence(3)
    """
    if axes != 3:
        raise BindError(
            "expected a sequence with axes of time, batch and feature, since the bound model's batch is part of a "
            f"larger one; got an array with {axes} axes."
        )


def moments(new: npt.ArrayLike, old: npt.ArrayLike, rate: SupportsFloat) -> Moments:
    """Of `h = k new + (1 - k) old`: `E[h] = (1 - q) new + q old`, `Var[h] = q (1 - q) (new - old)^2`.

    `q` is the quantised rate, `k` is 0 with that probability.

    Args:
        new: what the cell computed.
        old: the state of the step before.
        rate: probability of keeping the old value, a constant in [0, 1].

    Raises:
        RateError: a rate that no threshold stands for.

    Example:
        >>> moments([1.0], [3.0], 0.5)
        Moments(mean=array([2.]), variance=array([1.]))
    """
    q, new, old = quantise(rate), np.asarray(new, np.float64), np.asarray(old, np.float64)
    return Moments(expected(new, old, q), q * (1 - q) * (new - old) ** 2)


ENTRY = Entry(
    name="Zoneout",
    row=Row(
        "recurrent state", "Bernoulli(rate)", sharing="none", correction="none; evaluation takes the mean"
    ),
    paper=Paper(
        "Krueger, Maharaj, Kramar, Pezeshki, Ballas, Ke, Goyal, Bengio, Courville, Pal",
        "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations",
        2017,
        "https://arxiv.org/abs/1606.01305",
    ),
    layers=(
        "torch.Zoneout",
        "torch.ZoneoutCell",
        "flax.ZoneoutCell",
        "flax.linen.ZoneoutCell",
        "keras.layers.Zoneout",
    ),
    note="in Flax, `RNN(ZoneoutCell(cell))`",
    example="nn.LSTMCell(16, 16), 0.1",
    cost="three passes over the states, and a byte kept for each of their elements",
    moments=moments,
)
