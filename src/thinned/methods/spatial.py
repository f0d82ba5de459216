"""Spatial dropout: whole channels, one draw for all positions."""

from thinned.methods.dropout import moments
from thinned.methods.entry import Entry, Paper, Row

_ROW = Row("activations", "Bernoulli(rate)", sharing="channel", correction="inverted scale")
_PAPER = Paper(
    "Tompson, Goroshin, Jain, LeCun, Bregler",
    "Efficient Object Localization Using Convolutional Networks",
    2015,
    "https://arxiv.org/abs/1411.4280",
)

ENTRIES = tuple(
    Entry(
        f"Dropout{ndim}d",
        _ROW,
        _PAPER,
        layers=(f"torch.Dropout{ndim}d", f"keras.layers.SpatialDropout{ndim}D"),
        shape=(4, 16, *(5,) * ndim),
        moments=moments,
        note=f"in Flax, `Dropout(broadcast_dims={tuple(range(1, ndim + 1))})`",
    )
    for ndim in (1, 2, 3)
)


def position_axes(axes: int, positions: int) -> tuple[int, ...]:
    """The axes that one draw is shared along, as PyTorch reads them.

    1: the last of (batch, channel, length) or (channel, length). 2: all behind (batch, channel), so that three
    axes are (batch, channel, length). 3: all behind (batch, channel) of five axes, else all behind (channel).

    Args:
        axes: how many the array has.
        positions: 1, 2 or 3, of `Dropout1d`, `2d` or `3d`.

    Example:
        >>> position_axes(4, 2), position_axes(3, 2), position_axes(4, 3)
        ((2, 3), (2,), (1, 2, 3))
    """
    first = {1: axes - 1, 2: 2, 3: 2 if axes == 5 else 1}[positions]
    return tuple(range(first, axes))
