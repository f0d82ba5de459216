"""R-Drop: two draws of one step, which are to say the same."""

from typing import Any

import numpy as np
import numpy.typing as npt

from thinned.methods.entry import Entry, Paper, Row
from thinned.methods.plain import plain


def divergence(first: npt.ArrayLike, second: npt.ArrayLike, axis: int = 1) -> npt.NDArray[np.float64]:
    """The symmetric Kullback-Leibler divergence of two predictions, in float64: what frameworks are compared with.

        D = 1/2 sum_c (P1 ln(P1 / P2) + P2 ln(P2 / P1)) = 1/2 sum_c (P1 - P2) (ln P1 - ln P2),   P = softmax(logits)

    Args:
        first: logits; `axis` is that of classes.
        second: logits like them.
        axis: of classes; they sum away.

    Example:
        >>> divergence([[0.0, np.log(3)]], [[0.0, 0.0]]).round(4)
        array([0.1373])
    """
    one, two = _log_softmax(first, axis), _log_softmax(second, axis)
    terms = (np.exp(one) - np.exp(two)) * (one - two)
    return np.asarray(0.5 * terms.sum(axis))


def check_alpha(alpha: Any) -> None:
    """Refuse a weight of the divergence that is no number of at least 0.

    Raises:
        ValueError: says what it must be.

    Example:
        >>> check_alpha(-1)
        Traceback (most recent call last):
        ValueError: expected alpha, the weight of the divergence, as a number of at least 0; got -1.
    """
    alpha = plain(alpha)
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 <= alpha < float("inf"):
        raise ValueError(
            f"expected alpha, the weight of the divergence, as a number of at least 0; got {alpha!r}."
        )


def _log_softmax(logits: npt.ArrayLike, axis: int) -> npt.NDArray[np.float64]:
    x = np.asarray(logits, np.float64)
    x = x - x.max(axis, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(axis, keepdims=True)))


ENTRY = Entry(
    name="r_drop",
    row=Row(
        "the loss",
        "that of the model's layers",
        sharing="theirs, in two draws of one step",
        correction="theirs",
        rate="theirs",
    ),
    paper=Paper(
        "Liang, Wu, Li, Wang, Meng, Qin, Chen, Zhang, Liu",
        "R-Drop: Regularized Dropout for Neural Networks",
        2021,
        "https://arxiv.org/abs/2106.14448",
    ),
    layers=("torch.r_drop", "torch.r_drop_loss", "jax.r_drop_loss", "keras.r_drop_loss"),
    note="in JAX and Keras of the logits of two calls, which are two steps of a bound model",
    example="nn.Linear(16, 4), torch.ones(8, 16), torch.zeros(8, dtype=torch.int64)",
    cost="a second forward and backward pass",
)
