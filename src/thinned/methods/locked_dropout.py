"""Locked dropout: one mask for all time steps of a sequence."""

from collections.abc import Sequence
from typing import Any

from thinned.errors import BindError, ShareError
from thinned.mask.sharing import Window
from thinned.methods.dropout import moments
from thinned.methods.entry import Entry, Paper, Row


def time_axis(axes: int, batch_first: bool) -> int:
    """The axis of time, which a draw is shared along.

    Args:
        axes: how many the array has: (time, batch, *rest), or (time, rest) without a batch.
        batch_first: (batch, time, *rest) instead; two axes are (time, rest) here too.

    Raises:
        ShareError: fewer than two axes.

    Example:
        >>> time_axis(3, batch_first=False), time_axis(3, batch_first=True), time_axis(2, batch_first=True)
        (0, 1, 0)
    """
    if axes < 2:
        words = "(batch, time, features)" if batch_first else "(time, batch, features)"
        raise ShareError(
            f"expected a sequence, axes {words} or (time, features); got an array with {axes} axes."
        )
    return 1 if batch_first and axes > 2 else 0


def check_window(shape: Sequence[Any], window: Window | None, time: int) -> None:
    """Refuse a window that splits time: a mask is shared along it, so other samples would have the same one.

    Args:
        shape: of the array.
        window: where it lies in the global batch.
        time: the axis that draws are shared along.

    Raises:
        BindError: the window's batch axis is that of time.

    Example:
        >>> check_window((35, 20, 4), ((35, 80, 4), (0, 20, 0)), time=0)
    """
    if window is not None and window[0][time] != shape[time]:
        raise BindError(
            f"expected a batch on another axis than time, axis {time} of shape {tuple(shape)}; the binding places "
            f"local rows on axis {time} of {tuple(window[0])}. Say where the batch is: bind(model, seed, "
            "batch=(1, global_size, start)) where time comes first, or batch_first=True where the batch does."
        )


ENTRY = Entry(
    name="LockedDropout",
    row=Row("activations", "Bernoulli(rate)", sharing="time", correction="inverted scale"),
    paper=Paper(
        "Gal, Ghahramani",
        "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks",
        2016,
        "https://arxiv.org/abs/1512.05287",
    ),
    layers=(
        "torch.LockedDropout",
        "flax.LockedDropout",
        "flax.linen.LockedDropout",
        "keras.layers.LockedDropout",
    ),
    shape=(5, 8, 16),
    moments=moments,
)
