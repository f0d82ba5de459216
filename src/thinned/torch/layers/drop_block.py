"""DropBlock as a layer: whole blocks of a feature map. Free until its model is bound."""

from typing import Any

from torch import Tensor

from thinned.errors import ShapeError
from thinned.mask.sharing import layout
from thinned.methods.drop_block import BlockSize, block_sizes, seed_shape
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._blocks import drop_blocks
from thinned.torch._drawing import Drawing


class _DropBlockNd(Drawing):
    """What all three share."""

    positions: int

    def __init__(
        self,
        p: float | Schedule = 0.1,
        block_size: BlockSize = 7,
        *,
        share_channels: bool = False,
        site: str | None = None,
    ) -> None:
        super().__init__()
        self.p: Any = check_rate(p)
        block_sizes(block_size, self.positions)
        self.block_size = block_size
        self.share_channels = share_channels
        check_site(site)
        self.site = site

    def forward(self, input: Tensor) -> Tensor:
        """Drop in training, return `input` itself in evaluation and at p = 0."""
        if not self.training or self.p == 0:
            return input
        share = self.shared(input)
        address = self.address(input)
        rate = self.rate_at(self.p, address)
        return drop_blocks(input, rate, self.block_size, address, share, self.window(input))

    def shared(self, x: Tensor) -> tuple[int, ...]:
        if x.dim() != self.positions + 2:
            raise ShapeError(
                f"expected an input of {type(self).__name__} with {self.positions + 2} axes, (batch, channel, "
                f"*positions); got shape {tuple(x.shape)}. Add the axes that are missing with unsqueeze."
            )
        return (1,) if self.share_channels else ()

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        seeds = seed_shape(tuple(x.shape), block_sizes(self.block_size, self.positions))
        return [("", layout(seeds, self.shared(x)).mask_shape)]

    def extra_repr(self) -> str:
        """Its arguments, those that say something."""
        text = f"p={self.p}, block_size={self.block_size}"
        text += ", share_channels=True" if self.share_channels else ""
        return text + (f", site={self.site!r}" if self.site is not None else "")


class DropBlock2d(_DropBlockNd):
    """Zero whole blocks of (batch, channel, height, width) in training, and scale each sample by what it keeps.

        y = x m n / sum(m),   m[p] = no seed in [p, p + block_size - 1] on either axis,   P(seed) = gamma
        gamma = 1 - (1 - p)^(1 / block_size^2)

    over the `n` elements of a sample. An element is dropped with probability `p`, at a border as in the middle;
    block sizes may be even, and larger than the map. A free layer draws a fresh key from PyTorch's generator at
    each call; in a bound model the seeds are those of the law's wide variant at its address: see
    `thinned.torch.drop_block`, which this calls.

    Args:
        p: probability that an element is dropped, 0 <= p <= 1, or a schedule of the step, which needs a bound model
            (the paper raises it from 0: `thinned.linear(0, 0.1, steps=...)`); may be set later (`layer.p = 0`).
        block_size: an integer, or one for each axis of positions.
        share_channels: drop the same positions in all channels of a sample; by default each channel has blocks of
            its own, which the paper found better.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ShapeError: a block size below 1, or not one for each axis; in a call, an input without the three or four
            or five axes that the layer is for.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.DropBlock2d(0.1, block_size=3)
        >>> x = torch.ones(2, 8, 16, 16)
        >>> layer(x).mean(dim=(1, 2, 3)).round(decimals=5)
        tensor([1., 1.])
        >>> layer.eval()(x) is x
        True

    References:
        Ghiasi, Lin, Le, "DropBlock: A Regularization Method for Convolutional Networks", 2018,
        https://arxiv.org/abs/1810.12890. We differ: blocks may overlap the border and each other, and `p` is still
        the share that is dropped; the scale is each sample's own, and not that of the batch.
    """

    positions = 2


class DropBlock1d(_DropBlockNd):
    """Zero whole stretches of (batch, channel, length) in training: `DropBlock2d` on one axis.

        gamma = 1 - (1 - p)^(1 / block_size)

    Args and errors are those of `DropBlock2d`.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.DropBlock1d(0.1, block_size=5)(torch.ones(1, 64, 32)).mean().round(decimals=5)
        tensor(1.)

    References:
        Ghiasi, Lin, Le, 2018, https://arxiv.org/abs/1810.12890, who have two axes.
    """

    positions = 1


class DropBlock3d(_DropBlockNd):
    """Zero whole blocks of (batch, channel, depth, height, width) in training: `DropBlock2d` on three axes.

        gamma = 1 - (1 - p)^(1 / block_size^3)

    Args and errors are those of `DropBlock2d`.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.DropBlock3d(0.1, block_size=(1, 3, 3))
        >>> layer(torch.ones(1, 16, 4, 8, 8)).mean().round(decimals=5)
        tensor(1.)

    References:
        Ghiasi, Lin, Le, 2018, https://arxiv.org/abs/1810.12890, who have two axes.
    """

    positions = 3
