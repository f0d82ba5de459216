"""DropBlock as layers: whole blocks of a feature map."""

from collections.abc import Sequence
from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._data_format import channel_axis, checked_format
from thinned.keras._drawing import Alike, Drawing, Shape
from thinned.methods.drop_block import BlockSize, block_sizes, position_axes
from thinned.methods.schedule import Schedule


class _DropBlock(Drawing, Alike):
    """What all three share."""

    positions: int
    arguments = ("block_size", "share_channels", "data_format")

    def __init__(
        self,
        rate: float | Schedule = 0.1,
        block_size: BlockSize = 7,
        share_channels: bool = False,
        data_format: str | None = None,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)
        block_sizes(block_size, self.positions)
        self.block_size = tuple(block_size) if isinstance(block_size, Sequence) else block_size
        self.share_channels = share_channels
        self.data_format = checked_format(data_format)
        self.input_spec = keras.layers.InputSpec(ndim=self.positions + 2)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """Zero, or scaled by what is kept of the sample."""
        share, window = self.shared(x.shape), self.window(x)
        return backend.run(
            "drop_block",
            x,
            rate,
            self.block_size,
            share=share,
            window=window,
            channel_axis=self._channel,
            **at[0],
        )

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """Channels, where one draw is for all of them."""
        return (self._channel % len(shape),) if self.share_channels else ()

    def mask_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """Of the seeds."""
        mask = list(super().mask_shapes(shape)[0])
        block = block_sizes(self.block_size, self.positions)
        for axis, size in zip(position_axes(len(shape), self._channel), block, strict=True):
            length = mask[axis]
            mask[axis] = None if length is None else length + size - 1
        return [tuple(mask)]

    @property
    def _channel(self) -> int:
        return channel_axis(self.data_format)


@keras.saving.register_keras_serializable(package="thinned")
class DropBlock2D(_DropBlock):
    """Zero whole blocks of (batch, row, column, channel) in training, and scale each sample by what is kept.

        y = x m n / sum(m),   m[p] = no seed in [p, p + block_size - 1] on either axis,   P(seed) = gamma
        gamma = 1 - (1 - rate)^(1 / block_size^2)

    Every element is dropped with probability `rate`, at a border as in the middle. In a bound model the seeds are
    drawn at the layer's site, in the wide variant of the law, with the axes of the input and `block_size - 1` more
    on each axis of positions; see `thinned.methods.drop_block`.

    Args:
        rate: probability that an element is dropped, 0 <= rate <= 1, or a schedule of the step; may be set later.
        block_size: an integer, or one for each axis of positions; even ones, and ones larger than the map, too.
        share_channels: all channels of a sample drop the same positions.
        data_format: "channels_last", or "channels_first" for (batch, channel, row, column), which has the masks of
            `thinned.torch.DropBlock2d`; Keras' setting, by default.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: Keras' own: `name`, `dtype`, ...

    Raises:
        AddressError: a seed outside [0, 2^31), or a site that is no name.
        RateError: a rate outside [0, 1], or for which blocks of this size would be too seldom.
        ShapeError: a block size below 1, or not one for each axis.
        ValueError: another `data_format`; Keras' own, for an input with other axes.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.DropBlock2D(0.1, block_size=3)
        >>> y = layer(keras.ops.ones((2, 8, 8, 4)), training=True)
        >>> [round(float(v), 5) for v in keras.ops.mean(y, axis=(1, 2, 3))]
        [1.0, 1.0]

    References:
        Ghiasi, Lin, Le, "DropBlock: A Regularization Method for Convolutional Networks", 2018,
        https://arxiv.org/abs/1810.12890. We differ: blocks may overlap the border and each other without changing
        the rate; the scale is each sample's own, and not that of the batch.
    """

    positions = 2


@keras.saving.register_keras_serializable(package="thinned")
class DropBlock1D(_DropBlock):
    """Zero whole stretches of (batch, time, channel) in training: `DropBlock2D` on one axis.

    Args and errors are those of `DropBlock2D`.

    Example:
        >>> import keras, thinned.keras
        >>> thinned.keras.layers.DropBlock1D(0.1, block_size=3)(keras.ops.ones((2, 8, 4)), training=True).shape
        torch.Size([2, 8, 4])

    References:
        Ghiasi, Lin, Le, 2018, https://arxiv.org/abs/1810.12890.
    """

    positions = 1


@keras.saving.register_keras_serializable(package="thinned")
class DropBlock3D(_DropBlock):
    """Zero whole blocks of (batch, depth, row, column, channel) in training: `DropBlock2D` on three axes.

    Args and errors are those of `DropBlock2D`.

    Example:
        >>> import keras, thinned.keras
        >>> thinned.keras.layers.DropBlock3D(0.1, block_size=3)(keras.ops.ones((2, 5, 5, 5, 4))).shape
        torch.Size([2, 5, 5, 5, 4])

    References:
        Ghiasi, Lin, Le, 2018, https://arxiv.org/abs/1810.12890.
    """

    positions = 3
