"""MaxNorm: the weights that come into a unit are kept within a ball."""

from typing import Any

import numpy as np
import numpy.typing as npt

from thinned.methods.entry import Entry, Paper, Row
from thinned.methods.plain import plain


def projected(weight: npt.ArrayLike, c: float, units: tuple[int, ...] = (0,)) -> npt.NDArray[np.float64]:
    """The nearest weights whose units have a norm of at most `c`, in float64: what frameworks are compared with.

        w_u <- w_u min(1, c / |w_u|)

    Args:
        weight: of a layer.
        c: the radius.
        units: the axes that tell one unit from another; along all others its incoming weights lie.

    Example:
        >>> projected([[3.0, 4.0], [0.3, 0.4]], 1.0)
        array([[0.6, 0.8],
               [0.3, 0.4]])
    """
    w = np.asarray(weight, np.float64)
    others = tuple(axis for axis in range(w.ndim) if axis not in units)
    norm = np.sqrt((w**2).sum(others, keepdims=True))
    return np.asarray(np.where(norm > c, w * (c / np.maximum(norm, c)), w))


def check_radius(c: Any) -> None:
    """Refuse a radius that is no finite number above 0.

    Raises:
        ValueError: says what it must be.

    Example:
        >>> check_radius(0)
        Traceback (most recent call last):
        ValueError: expected c, the largest norm of a unit's incoming weights, as a finite number above 0; got 0.
    """
    c = plain(c)
    if isinstance(c, bool) or not isinstance(c, (int, float)) or not 0 < c < float("inf"):
        raise ValueError(
            "expected c, the largest norm of a unit's incoming weights, as a finite number above 0; "
            f"got {c!r}."
        )


def unit_axis(axes: int, axis: int) -> int:
    """The axis of units of a bare weight, in [0, axes).

    Raises:
        ValueError: it is not there, or nothing else is.

    Example:
        >>> unit_axis(2, -1)
        1
    """
    if axes < 2 or not -axes <= axis < axes:
        raise ValueError(
            f"expected weights with an axis {axis} of units, and others along which their incoming weights lie; "
            f"got {axes} axes. Leave biases out, or give the module that has them."
        )
    return axis % axes


ENTRY = Entry(
    name="max_norm",
    row=Row("weights, after the step", "none", sharing="unit", correction="none", rate="none"),
    paper=Paper(
        "Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov",
        "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
        2014,
        "https://jmlr.org/papers/v15/srivastava14a.html",
    ),
    layers=("torch.max_norm", "jax.max_norm", "keras.MaxNorm"),
    note="in Keras a constraint; Keras' own also shrinks units within the ball, by 1e-7 over their norm a step",
    example="nn.Linear(16, 4), 3.0",
    cost="two passes over the weights",
)
