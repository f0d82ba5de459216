"""What each layer does with its draws: one definition for NNX and Linen, whose classes say where they come from.

Flax's arrays have their channels last, and axis 0 is the batch.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

import thinned.jax
from thinned.errors import BindError, ShapeError
from thinned.mask.sharing import Window, layout
from thinned.methods import alpha, batch_dropout, drop_block, drop_path, locked_dropout
from thinned.methods.schedule import Schedule, changes

CHANNEL = -1
"""Where Flax has features."""

At: TypeAlias = Callable[..., dict[str, Any]]
"""Of a part, its address as keyword arguments of the functions of `thinned.jax`."""


class Kind:
    """A layer's mathematics: what is drawn, shared and returned."""

    parts: tuple[str, ...] = ("",)
    rate: Any

    @property
    def amount(self) -> Any:
        """The rate, a constant or a schedule."""
        return self.rate

    def amount_of(self, part: str) -> Any:
        """The rate of one of its draws."""
        return self.amount

    def step_now(self) -> Any:
        """The step of the call of a bound model that this is in; None where there is none."""
        raise NotImplementedError

    def shared(self, x: Any) -> tuple[int, ...]:
        """The axes of an input that one draw is shared along."""
        return ()

    def mask_shapes(self, x: Any) -> list[tuple[str, tuple[int, ...]]]:
        """Each part that draws, and the shape of its mask."""
        return [(part, layout(jnp.shape(x), self.shared(x)).mask_shape) for part in self.parts]

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        """The output in training."""
        return thinned.jax.dropout(x, rate, share=self.shared(x), **at())

    def undrawn(self, x: Any) -> Any:
        """The output in evaluation, and at rate 0."""
        return x


class Broadcast(Kind):
    """Dropout."""

    broadcast_dims: Sequence[int]

    def shared(self, x: Any) -> tuple[int, ...]:
        return tuple(self.broadcast_dims)


class Alpha(Kind):
    """Alpha dropout."""

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        return thinned.jax.alpha_dropout(x, rate, share=self.shared(x), **at())


class FeatureAlpha(Alpha):
    """Alpha dropout of channels."""

    def shared(self, x: Any) -> tuple[int, ...]:
        return alpha.feature_axes(jnp.ndim(x), CHANNEL)


class Gaussian(Kind):
    """Gaussian dropout."""

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        return thinned.jax.gaussian_dropout(x, rate, **at())


class Uniform(Kind):
    """Uniform dropout."""

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        return thinned.jax.uniform_dropout(x, rate, **at())


class Noise(Kind):
    """Gaussian noise, whose standard deviation stands in the place of a rate."""

    std: Any

    @property
    def amount(self) -> Any:
        return self.std

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        return thinned.jax.gaussian_noise(x, rate, **at())


class Rectifier(Kind):
    """A stochastic ReLU."""

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        return thinned.jax.stochastic_relu(x, rate, **at())

    def undrawn(self, x: Any) -> Any:
        return jax.nn.relu(x)


class Locked(Kind):
    """Dropout shared along time."""

    time_major: bool

    def shared(self, x: Any) -> tuple[int, ...]:
        return (locked_dropout.time_axis(jnp.ndim(x), batch_first=not self.time_major),)


class Path(Kind):
    """Dropout of whole samples."""

    scale_by_keep: bool

    def shared(self, x: Any) -> tuple[int, ...]:
        return drop_path.rest_axes(jnp.ndim(x))

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        if self.scale_by_keep:
            return super().drawn(x, rate, at)
        return jnp.where(thinned.jax.keep(jnp.shape(x), rate, share=self.shared(x), **at()), x, 0)


class Grouped(Kind):
    """Dropout shared by the samples of a group."""

    groups: int
    axis: int

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        share, window = self._place(x, self.groups)
        return thinned.jax.dropout(x, rate, share=share, window=window, **at())

    def mask_shapes(self, x: Any) -> list[tuple[str, tuple[int, ...]]]:
        share, _ = self._place(x, 1)
        return [("", (self.groups, *layout(jnp.shape(x), share).mask_shape[1:]))]

    def _place(self, x: Any, groups: int) -> tuple[tuple[int, ...], Window | None]:
        axis = batch_dropout.check_axis(self.axis)
        return batch_dropout.place(jnp.shape(x), batch_dropout.check_groups(groups), axis=axis)


class Blocks(Kind):
    """DropBlock on so many axes of positions."""

    positions: int
    block_size: drop_block.BlockSize
    share_channels: bool

    def shared(self, x: Any) -> tuple[int, ...]:
        if jnp.ndim(x) != self.positions + 2:
            raise ShapeError(
                f"expected an input of {type(self).__name__} with {self.positions + 2} axes, (batch, *positions, "
                f"channel); got shape {jnp.shape(x)}. Add the axes that are missing with jnp.expand_dims."
            )
        return (jnp.ndim(x) - 1,) if self.share_channels else ()

    def mask_shapes(self, x: Any) -> list[tuple[str, tuple[int, ...]]]:
        block = drop_block.block_sizes(self.block_size, self.positions)
        seeds = drop_block.seed_shape(jnp.shape(x), block, CHANNEL)
        return [("", layout(seeds, self.shared(x)).mask_shape)]

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        return thinned.jax.drop_block(x, rate, self.block_size, share=self.shared(x), **at())


def rate_at(layer: Kind, step: Any, part: str = "") -> Any:
    """A layer's rate at a step of its bound model, None where it is free; of a schedule, exactly its threshold.

    Args:
        layer: whose.
        step: of its model.
        part: of the layer's draws, where they have rates of their own.

    Raises:
        BindError: a schedule in a free layer, which has no step.
        RateError: a ramp over the depth.
    """
    rate = layer.amount_of(part)
    if not isinstance(rate, Schedule):
        return rate
    rate(0)  # says what is wrong with a ramp
    if step is None:
        raise BindError(
            f"expected a bound model for {type(layer).__name__} with {rate}, whose rate follows the model's step; "
            "got a free layer. Call thinned.flax.bind(model, seed)."
        )
    return changes(rate).at(step, jnp)


def stated(rate: Any, step: int = 0) -> float:
    """A rate for the table of sites; of a schedule, what it is at a step."""
    if isinstance(rate, jax.core.Tracer):
        return math.nan  # learned, and not known before there are parameters
    return rate(step) if isinstance(rate, Schedule) else float(rate)


def is_zero(rate: Any) -> bool:
    """Whether a rate is known to be 0; one that is traced, or follows the step, is not."""
    return not isinstance(rate, (Array, Schedule)) and rate == 0
