"""Dropout of whole channels: PyTorch's `Dropout1d`, `2d` and `3d`, with the law's masks."""

import torch.nn.functional as F
from torch import Tensor, nn

from thinned.methods.spatial import position_axes
from thinned.torch.layers.dropout import BernoulliLayer


class Dropout1d(BernoulliLayer, nn.Dropout1d):
    """Zero whole channels of (batch, channel, length) or (channel, length): one draw for all positions.

    Args and errors are those of `Dropout`; shapes that PyTorch refuses are refused in its words.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.Dropout1d(0.5)(torch.ones(2, 3, 4)).std(dim=2).max()
        tensor(0.)

    References:
        Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient Object Localization Using Convolutional Networks",
        2015, https://arxiv.org/abs/1411.4280.
    """

    def shared(self, x: Tensor) -> tuple[int, ...]:
        F.dropout1d(x, 0.0, training=False)  # says what PyTorch says of this shape, and does nothing
        return position_axes(x.dim(), 1)


class Dropout2d(BernoulliLayer, nn.Dropout2d):
    """Zero whole channels of (batch, channel, height, width): one draw for all positions.

    As in PyTorch, three axes are read as (batch, channel, length), with its warning.
    Args and errors are those of `Dropout`.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.Dropout2d(0.5)(torch.ones(2, 3, 4, 4)).std(dim=(2, 3)).max()
        tensor(0.)

    References:
        Tompson et al., 2015, https://arxiv.org/abs/1411.4280.
    """

    def shared(self, x: Tensor) -> tuple[int, ...]:
        F.dropout2d(x, 0.0, training=False)
        return position_axes(x.dim(), 2)


class Dropout3d(BernoulliLayer, nn.Dropout3d):
    """Zero whole channels of (batch, channel, depth, height, width), or of the same without `batch`.

    Args and errors are those of `Dropout`.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.Dropout3d(0.5)(torch.ones(2, 3, 2, 2, 2)).std(dim=(2, 3, 4)).max()
        tensor(0.)

    References:
        Tompson et al., 2015, https://arxiv.org/abs/1411.4280.
    """

    def shared(self, x: Tensor) -> tuple[int, ...]:
        F.dropout3d(x, 0.0, training=False)
        return position_axes(x.dim(), 3)
