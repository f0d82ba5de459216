"""DropConnect: each weight on its own, for each example anew or once for the batch."""

from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.errors import ConfigurationError
from thinned.mask.rate import quantise
from thinned.mask.sharing import Window
from thinned.methods.entry import Entry, Moments, Paper, Row
from thinned.methods.plain import plain

PER = ("example", "batch")
"""How often the weights are thinned."""

INFERENCE = ("mean", "moments")
"""How a trained network is evaluated: by the mean weights, or by the moments of each unit."""


def check_choice(name: str, value: object, among: tuple[str, ...]) -> str:
    """One of a layer's words.

    Raises:
        ConfigurationError: another.

    Example:
        >>> check_choice("per", "sample", PER)
        Traceback (most recent call last):
        thinned.errors.ConfigurationError: expected per as one of 'example', 'batch'; got 'sample'.
    """
    if value not in among:
        raise ConfigurationError(f"expected {name} as one of {', '.join(map(repr, among))}; got {value!r}.")
    return str(value)


def check_samples(value: Any) -> int:
    """How many samples make an average.

    Raises:
        ConfigurationError: not a whole number above 0.

    Example:
        >>> check_samples(1000)
        1000
    """
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"expected samples as a whole number above 0; got {value!r}.")
    return value


def example_window(window: Window | None, axis: int, *rest: Any) -> Window | None:
    """The window of a mask whose first axis is that of the examples, from that of the activations.

    Args:
        window: of the activations, or None.
        axis: of the examples among theirs.
        *rest: the sizes of the mask's other axes.

    Example:
        >>> example_window(((5, 64, 784), (0, 32, 0)), 1, 256, 784)
        ((64, 256, 784), (32, 0, 0))
    """
    if window is None:
        return None
    sizes, index = window
    return (sizes[axis], *rest), (index[axis], *(0 for _ in rest))


def spread(rate: SupportsFloat) -> float:
    """The variance of `k / (1 - q)`: `q / (1 - q)`, and 0 where nothing is left.

    Example:
        >>> spread(0.5), spread(0), spread(1)
        (1.0, 0.0, 0.0)
    """
    q = quantise(rate)
    return 0.0 if q == 1 else q / (1 - q)


def moments(
    x: npt.ArrayLike, weight: npt.ArrayLike, rate: SupportsFloat, bias: npt.ArrayLike | None = None
) -> Moments:
    """Of the pre-activation `u = (k w) x / (1 - q) + (k' b) / (1 - q)`.

        E[u | x] = w x + b,   Var[u | x] = q / (1 - q) (w^2 x^2 + b^2)

    squares being of each element. At rate 1 nothing is left: both are 0. Whether the batch shares a mask
    changes
    neither: it makes examples depend on each other.

    Args:
        x: the input, axes (..., in).
        weight: axes (out, in).
        rate: probability of dropping, a constant in [0, 1].
        bias: axes (out,), dropped too; None where there is none.

    Raises:
        RateError: a rate that no threshold stands for.

    Example:
        >>> moments([1.0, 2.0], [[3.0, 4.0]], 0.5)
        Moments(mean=array([11.]), variance=array([73.]))
    """
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    b = np.float64(0) if bias is None else np.asarray(bias, np.float64)
    left = 0 if quantise(rate) == 1 else 1
    return Moments(left * (x @ weight.T + b), spread(rate) * (x**2 @ weight.T**2 + b**2))


_PAPER = Paper(
    "Wan, Zeiler, Zhang, LeCun, Fergus",
    "Regularization of Neural Networks using DropConnect",
    2013,
    "https://proceedings.mlr.press/v28/wan13.html",
)


def _row(sharing: str) -> Row:
    return Row("weights", "Bernoulli(rate)", sharing=sharing, correction="inverted scale")


ENTRIES = (
    Entry(
        "DropConnectLinear",
        _row("none: each example has a mask of its own"),
        _PAPER,
        layers=(
            "torch.DropConnectLinear",
            "flax.DropConnectLinear",
            "flax.linen.DropConnectDense",
            "keras.layers.DropConnect",
        ),
        example="16, 4",
        note='in Keras `per="batch"` by default; on TensorFlow `per="example"` makes copies of the weights',
        moments=moments,
        cost="a draw for each weight and example, forward and backward; no copy of the weights",
    ),
    *(
        Entry(
            f"DropConnectConv{ndim}d",
            _row("batch"),
            _PAPER,
            layers=(f"torch.DropConnectConv{ndim}d",),
            example="3, 4, 3",
            shape=(4, 3, *(8,) * ndim),
            cost="one pass over the weights; per example, a copy of them for each",
            note="in JAX and TensorFlow, `dropout` of the kernel is it, for the batch; there is no layer",
        )
        for ndim in (1, 2)
    ),
)
