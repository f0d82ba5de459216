"""The Linen layers: each the NNX one's `Kind`, with keys or an address from its scope."""

from dataclasses import field
from typing import Any

import jax
from flax import linen as nn

from thinned.flax import _kinds as kinds
from thinned.flax._kinds import Kind, is_zero, rate_at
from thinned.flax._notes import Note, thread
from thinned.flax._scopes import draw, step_in
from thinned.flax._uses import place_of
from thinned.methods.drop_block import BlockSize
from thinned.methods.schedule import Schedule
from thinned.methods.site import part_name


class Scoped(Kind):
    """What a call of a Linen layer is, for a subclass that is a module."""

    def call(self, inputs: Any, deterministic: bool | None, rng: Any) -> Any:
        """Draw in training; in evaluation and at rate 0 return what needs no draw."""
        module: Any = self
        scope = module.scope
        name = module.site or ".".join(scope.path)
        if thread.notes is not None:
            for part, shape in self.mask_shapes(inputs):
                rate = self.amount_of(part)
                thread.notes.append(Note((scope.path, part), part_name(name, part), rate, shape))
            return self.undrawn(inputs)
        off = nn.merge_param("deterministic", module.deterministic, deterministic)
        if off or is_zero(self.amount):
            return self.undrawn(inputs)
        drawn = draw(scope, name) if rng is None else None
        if drawn is not None:
            words, count = drawn

            def bound(part: str = "") -> dict[str, Any]:
                return {"seed": words[:2], "step": words[2], **place_of(part_name(name, part), count)}

            return self.drawn(inputs, rate_at(self, words[2]), bound)

        def free(part: str = "") -> dict[str, Any]:
            key = module.make_rng(module.rng_collection) if rng is None else rng
            return {"seed": jax.random.bits(key, (2,), "uint32")}

        return self.drawn(inputs, rate_at(self, None), free)

    def step_now(self) -> Any:
        module: Any = self
        return step_in(module.scope)


class Drawing(Scoped, nn.Module):
    """A layer that draws.

    Attributes:
        deterministic: True in evaluation; here or in the call.
        rng_collection: the stream that keys are taken from.
        site: the name of its draws in a bound model; its path by default.
    """

    deterministic: bool | None = field(default=None, kw_only=True)
    rng_collection: str = field(default="dropout", kw_only=True)
    site: str | None = field(default=None, kw_only=True)

    @nn.compact
    def __call__(self, inputs: Any, deterministic: bool | None = None, rng: Any = None) -> Any:
        """Draw in training; in evaluation and at rate 0 return what needs no draw."""
        return self.call(inputs, deterministic, rng)


class Rated(Drawing):
    """A layer with a rate: a constant in [0, 1], or a schedule of the step, which needs a bound model."""

    rate: float | Schedule = 0.5


class Dropout(kinds.Broadcast, Scoped, nn.Dropout):
    """Zero elements with probability `rate` in training: `flax.linen.Dropout` with the law's masks.

    A free layer takes its key from `rngs={"dropout": key}`, as Flax's own does. In a model applied by
    `thinned.flax.bind(model, seed)` its mask is `thinned.mask.keep(x.shape, rate, seed=seed, site=path,
    step=step)`, where `path` is its path, joined by dots, and no key is needed.

    Attributes:
        rate: probability of dropping, 0 <= rate <= 1, or a schedule of the step, which needs a bound model.
        broadcast_dims: axes along which one draw is shared.
        deterministic: True in evaluation; here or in the call.
        rng_collection: the stream that keys are taken from.
        site: the name of its draws in a bound model; its path by default.

    Raises:
        RateError: `rate` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        BindError: a schedule in a free layer.

    Example:
        >>> import jax, jax.numpy as jnp, thinned.flax
        >>> layer = thinned.flax.linen.Dropout(0.5, deterministic=False)
        >>> y = layer.apply({}, jnp.ones(1000), rngs={"dropout": jax.random.key(0)})
        >>> sorted(set(y.tolist()))
        [0.0, 2.0]

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    site: str | None = None

    @nn.compact
    def __call__(self, inputs: Any, deterministic: bool | None = None, rng: Any = None) -> Any:
        """Drop in training, return `inputs` itself in evaluation and at rate 0."""
        return self.call(inputs, deterministic, rng)


class AlphaDropout(kinds.Alpha, Rated):
    """Set units to SELU's lower limit with probability `rate` in training: see `thinned.flax.AlphaDropout`.

    Attributes and errors are those of `Dropout`, but for `broadcast_dims`.

    Example:
        >>> import jax, jax.numpy as jnp, thinned.flax
        >>> layer = thinned.flax.linen.AlphaDropout(0.5, deterministic=False)
        >>> y = layer.apply({}, jnp.zeros(1000), rngs={"dropout": jax.random.key(0)})
        >>> sorted({round(value, 4) for value in y.tolist()})
        [-0.7792, 0.7792]

    References:
        Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017,
        https://arxiv.org/abs/1706.02515.
    """


class FeatureAlphaDropout(kinds.FeatureAlpha, Rated):
    """Set whole channels of (batch, *positions, channel) to SELU's lower limit.

    Attributes and errors are those of `AlphaDropout`; fewer than two axes are a ShareError.

    References:
        Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017,
        https://arxiv.org/abs/1706.02515.
    """


class GaussianDropout(kinds.Gaussian, Rated):
    """Multiply each element by a normal of mean 1 in training: see `thinned.flax.GaussianDropout`.

    Attributes and errors are those of `Dropout`, but for `broadcast_dims`.

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", section 10, JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """


class UniformDropout(kinds.Uniform, Rated):
    """Multiply each element by a uniform draw of mean 1 in training: see `thinned.flax.UniformDropout`.

    Attributes and errors are those of `Dropout`, but for `broadcast_dims`.

    References:
        Shen, Tian, Liu, Xu, Tao, "Continuous Dropout", 2018, https://arxiv.org/abs/1911.12675. We differ: the width
        follows the rate.
    """


class GaussianNoise(kinds.Noise, Drawing):
    """Add a normal of mean 0 and standard deviation `std` to each element in training.

    Attributes:
        std: a finite number, 0 or more, or a schedule of the step, which needs a bound model.

    The others are those of `Dropout`, but for `rate` and `broadcast_dims`.

    Raises:
        RateError: a standard deviation that is negative or no finite number.

    References:
        Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995,
        https://doi.org/10.1162/neco.1995.7.1.108.
    """

    std: float | Schedule = 0.1


class StochasticReLU(kinds.Rectifier, Rated):
    """A ReLU that is off with probability `rate` in training, and scaled where it is on; evaluation is a ReLU.

    Attributes and errors are those of `Dropout`, but for `broadcast_dims`.

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """


class LockedDropout(kinds.Locked, Rated):
    """Zero the same features of a sample at every time step: one draw along time.

    Attributes:
        time_major: inputs are (time, batch, *rest), and not (batch, time, *rest).

    The others, and errors, are those of `Dropout`, but for `broadcast_dims`.

    References:
        Gal, Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016,
        https://arxiv.org/abs/1512.05287. We differ: rescaling at training time.
    """

    time_major: bool = False


class DropPath(kinds.Path, Rated):
    """Zero whole samples of a residual branch: one draw for all but axis 0, the batch.

    Attributes:
        scale_by_keep: divide by the share that is kept.

    The others, and errors, are those of `Dropout`, but for `broadcast_dims`.

    References:
        Larsson, Maire, Shakhnarovich, "FractalNet: Ultra-Deep Neural Networks without Residuals", 2017,
        https://arxiv.org/abs/1605.07648. We differ: see `thinned.flax.DropPath`.
    """

    scale_by_keep: bool = True


class BatchDropout(kinds.Grouped, Rated):
    """Zero the same units for all samples of a batch, or of each of its groups: see `thinned.flax.BatchDropout`.

    Attributes:
        groups: how many thinned networks a batch has.
        axis: where the units are.

    The others, and errors, are those of `Dropout`, but for `broadcast_dims`.

    References:
        Graham, Reizenstein, Robinson, "Efficient batchwise dropout training using submatrices", 2015,
        https://arxiv.org/abs/1502.02478. We differ: rescaling at training time, and groups.
    """

    groups: int = 1
    axis: int = -1


class _DropBlock(kinds.Blocks, Rated):
    rate: float | Schedule = 0.1
    block_size: BlockSize = 7
    share_channels: bool = False


class DropBlock2d(_DropBlock):
    """Zero whole blocks of (batch, height, width, channel) in training: see `thinned.flax.DropBlock2d`.

    Attributes:
        block_size: an integer, or one for each axis of positions.
        share_channels: drop the same positions in all channels of a sample.

    The others are those of `Dropout`, but for `broadcast_dims`.

    Raises:
        ShapeError: a block size below 1, or an input with other axes.

    References:
        Ghiasi, Lin, Le, "DropBlock: A Regularization Method for Convolutional Networks", 2018,
        https://arxiv.org/abs/1810.12890. We differ: see `thinned.flax.DropBlock2d`.
    """

    positions = 2


class DropBlock1d(_DropBlock):
    """Zero whole stretches of (batch, length, channel) in training: `DropBlock2d` on one axis.

    References:
        Ghiasi, Lin, Le, 2018, https://arxiv.org/abs/1810.12890, who have two axes.
    """

    positions = 1


class DropBlock3d(_DropBlock):
    """Zero whole blocks of (batch, depth, height, width, channel) in training: `DropBlock2d` on three axes.

    References:
        Ghiasi, Lin, Le, 2018, https://arxiv.org/abs/1810.12890, who have two axes.
    """

    positions = 3
