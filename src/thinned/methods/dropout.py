"""Dropout: every activation on its own, inverted scale.

Input dropout is no method of its own but this one in front of the first layer, at a lower rate: 0.2 in the paper.
Vincent et al., "Extracting and Composing Robust Features with Denoising Autoencoders", 2008,
https://doi.org/10.1145/1390156.1390294, corrupt inputs so, without the scale.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import SupportsFloat, cast

import numpy as np
import numpy.typing as npt

from thinned.mask.plan import Plan
from thinned.mask.rate import quantise, scale, threshold
from thinned.mask.sharing import Share, Window, layout
from thinned.methods.entry import Entry, Moments, Paper, Row


def plan(shape: Sequence[int], rate: SupportsFloat, share: Share = (), window: Window | None = None) -> Plan:
    """Plan a Bernoulli mask with inverted scale.

    Args:
        shape: of the array that the mask is for.
        rate: probability of dropping, a constant in [0, 1].
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where the array is part of a larger one.

    Raises:
        RateError: a rate that no threshold stands for.
        ShareError: an axis that is not there, or twice.
        WindowError: a window that does not lie in its global shape.

    Example:
        >>> plan((2, 3, 8, 8), 0.25, share=(2, 3)).where.mask_shape
        (2, 3, 1, 1)
    """
    if window is None and isinstance(shape, tuple) and type(rate) in _PLAIN and _is_plain(share):
        return _kept(shape, cast(float, rate), cast(int, share))
    return _plan(shape, rate, share, window)


def _plan(shape: Sequence[int], rate: SupportsFloat, share: Share, window: Window | None = None) -> Plan:
    level = threshold(rate)
    return Plan(layout(shape, share, window), level, scale(level))


_kept = lru_cache(maxsize=4096, typed=True)(_plan)
"""A training loop asks for the same few plans again and again."""

_PLAIN = (float, int)


def _is_plain(share: Share) -> bool:
    """Whether equal values always mean the same: 1.0 is no axis, and a tensor may change."""
    if type(share) is tuple:
        return not share or all([type(axis) is int for axis in share])  # noqa: C419 - a generator takes twice as long
    return type(share) is int


def moments(x: npt.ArrayLike, rate: SupportsFloat) -> Moments:
    """Of `y = k x / (1 - q)`, where `q` is the quantised rate: `E[y | x] = x`, `Var[y | x] = x^2 q / (1 - q)`.

    At rate 1 nothing is left: both are 0. Shared draws change neither: they make elements depend on each other.

    Args:
        x: the input.
        rate: probability of dropping, a constant in [0, 1].

    Raises:
        RateError: as `plan`.

    Example:
        >>> moments([1.0, 3.0], 0.5)
        Moments(mean=array([1., 3.]), variance=array([1., 9.]))
    """
    q, x = quantise(rate), np.asarray(x, np.float64)
    return Moments(x * 0, x * 0) if q == 1 else Moments(x * 1, x**2 * (q / (1 - q)))


ENTRY = Entry(
    name="Dropout",
    row=Row("activations", "Bernoulli(rate)", sharing="none", correction="inverted scale"),
    paper=Paper(
        "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov",
        "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
        2014,
        "https://jmlr.org/papers/v15/srivastava14a.html",
    ),
    layers=("torch.Dropout", "flax.Dropout", "flax.linen.Dropout", "keras.layers.Dropout", "mxnet.Dropout"),
    moments=moments,
)
