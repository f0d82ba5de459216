"""Dropout in attention: single weights with inverted scale, or whole heads, normalised by the kept share."""

from functools import partial
from math import comb
from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from thinned.errors import ShareError
from thinned.mask.rate import quantise
from thinned.methods import dropout
from thinned.methods.entry import Entry, Moments, Paper, Row

PER = ("weight", "head")
"""What one draw is for."""

HEADS = -3
"""The axis of heads in attention weights (*batch, head, query, key)."""

WITHIN_HEAD = (-2, -1)
"""The axes that a head's draw is shared along."""


def check_per(per: object) -> None:
    """Refuse what is not one of `PER`.

    Raises:
        ValueError: says which there are.

    Example:
        >>> check_per("row")
        Traceback (most recent call last):
        ValueError: expected per='weight' or per='head', what one draw is for; got 'row'.
    """
    if per not in PER:
        raise ValueError(
            f"expected {' or '.join(f'per={name!r}' for name in PER)}, what one draw is for; got {per!r}."
        )


def check_heads(axes: int) -> None:
    """Refuse attention weights without an axis of heads.

    Raises:
        ShareError: says which axes there must be.

    Example:
        >>> check_heads(2)
        Traceback (most recent call last):
        thinned.errors.ShareError: expected attention weights with axes (*batch, head, query, key); got 2 axes.
    """
    if axes < -HEADS:
        raise ShareError(f"expected attention weights with axes (*batch, head, query, key); got {axes} axes.")


def head_factor(heads: int, kept: Any) -> Any:
    """What a kept head is multiplied by: `heads / kept`, as many times as it takes to replace the dropped ones.

    Args:
        heads: how many there are.
        kept: how many are kept, an array of any framework that can be clipped; 0 counts as 1.

    Example:
        >>> head_factor(8, np.array([8, 4, 0]))
        array([1., 2., 8.])
    """
    return heads / kept.clip(1)


def moments(x: npt.ArrayLike, rate: SupportsFloat, *, per: str = "weight") -> Moments:
    """Of attention weights after dropout, given those before; `q` is the quantised rate.

    Per weight, those of dropout: `E[y] = x`, `Var[y] = x^2 q / (1 - q)`. Per head, with `n` heads of which `s` are
    kept, `y = x k n / s`, and 0 where s = 0:

        E[y] = x (1 - q^n)
        E[y^2] = x^2 n sum_{s=1..n} C(n, s) (1 - q)^s q^(n - s) / s

    Args:
        x: the weights, axes (*batch, head, query, key).
        rate: probability of dropping, a constant in [0, 1].
        per: "weight" or "head".

    Raises:
        RateError: a rate that no threshold stands for.
        ShareError: no axis of heads.

    Example:
        >>> moments(np.ones((2, 1, 1)), 0.5, per="head").mean.ravel()
        array([0.75, 0.75])
    """
    check_per(per)
    if per == "weight":
        return dropout.moments(x, rate)
    q, x = quantise(rate), np.asarray(x, np.float64)
    check_heads(x.ndim)
    n = x.shape[HEADS]
    mean = 1 - q**n
    square = n * sum(comb(n, s) * (1 - q) ** s * q ** (n - s) / s for s in range(1, n + 1))
    return Moments(x * mean, x**2 * (square - mean**2))


_SHAPE = (4, 8, 5, 5)

_HOLDERS = "attention that holds it: `flax.DotProductAttention`, `keras.layers.MultiHeadAttention`"

ENTRIES = (
    Entry(
        name="AttentionDropout",
        row=Row("attention weights", "Bernoulli(rate)", sharing="none", correction="inverted scale"),
        paper=Paper(
            "Lin, Liu, Chen, Qiu, Huang",
            "DropAttention: A Regularization Method for Fully-Connected Self-Attention Networks",
            2019,
            "https://arxiv.org/abs/1907.11065",
        ),
        layers=(
            "torch.AttentionDropout",
            "flax.AttentionDropout",
            "flax.linen.AttentionDropout",
            "keras.layers.AttentionDropout",
        ),
        shape=_SHAPE,
        note=_HOLDERS,
        moments=moments,
    ),
    Entry(
        name="DropHead",
        row=Row(
            "attention weights", "Bernoulli(rate)", sharing="head", correction="normalised by kept share"
        ),
        paper=Paper(
            "Zhou, Ge, Wei, Zhou, Xu",
            "Scheduled DropHead: A Regularization Method for Transformer Models",
            2020,
            "https://arxiv.org/abs/2004.13342",
        ),
        layers=(
            "torch.AttentionDropout",
            "flax.AttentionDropout",
            "flax.linen.AttentionDropout",
            "keras.layers.AttentionDropout",
        ),
        example='0.5, per="head"',
        shape=_SHAPE,
        note=_HOLDERS,
        cost="two passes over memory",
        moments=partial(moments, per="head"),
    ),
)
