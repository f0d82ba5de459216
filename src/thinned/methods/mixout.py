"""Mixout: each weight is, by chance, that of the pretrained network."""

from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.methods.dropconnect import spread
from thinned.methods.entry import Entry, Moments, Paper, Row


def moments(weight: npt.ArrayLike, target: npt.ArrayLike, rate: SupportsFloat) -> Moments:
    """Of `w' = w0 + k (w - w0) / (1 - q)`: `E[w'] = w`, `Var[w'] = (w - w0)^2 q / (1 - q)`.

    At rate 1 nothing of `w` is left: the mean is `w0`, the variance 0.

    Args:
        weight: `w`.
        target: `w0`, like it.
        rate: probability of the target, a constant in [0, 1].

    Raises:
        RateError: a rate that no threshold stands for.

    Example:
        >>> moments([3.0], [1.0], 0.5)
        Moments(mean=array([3.]), variance=array([4.]))
    """
    w, w0 = np.asarray(weight, np.float64), np.asarray(target, np.float64)
    return Moments((w0 if rate == 1 else w) * 1, (w - w0) ** 2 * spread(rate))


ENTRY = Entry(
    name="Mixout",
    row=Row("weights", "Bernoulli(rate), towards the pretrained weight", "batch", "inverted scale"),
    paper=Paper(
        "Lee, Cho, Kang",
        "Mixout: Effective Regularization to Finetune Large-scale Pretrained Language Models",
        2020,
        "https://arxiv.org/abs/1909.11299",
    ),
    layers=("torch.Mixout", "jax.mixout"),
    note=(
        "in Flax, `jax.mixout` of a tree of parameters; not in Keras, where a layer is made again from its "
        "configuration, before it has weights, and would not know what it was pretrained to"
    ),
    example="nn.Linear(16, 4), 0.5",
    cost="two passes over the weights, and a second copy of them",
    moments=moments,
)
"""The moments are those of each weight."""
