"""The NNX layers: Flax's own dropout and its relatives, with the law's draws. Free until their model is bound."""

from collections.abc import Sequence
from typing import Any, Unpack

from flax import nnx

from thinned.flax import _kinds as kinds
from thinned.flax._drawing import Common, Drawing, Rated
from thinned.methods.batch_dropout import check_axis, check_groups
from thinned.methods.drop_block import BlockSize, block_sizes
from thinned.methods.law import check_size
from thinned.methods.schedule import Schedule


class Dropout(Rated, kinds.Broadcast, nnx.Dropout):
    """Zero elements with probability `rate` in training: `nnx.Dropout` with the law's masks.

        y = k x / (1 - T / 65536),   T = round(65536 rate)

    A free layer takes a fresh key from its `nnx.Rngs` at each call, as Flax's own does. In a bound model its mask
    is `thinned.mask.keep(x.shape, rate, seed=seed, site=name, step=step)`, and no key is taken.

    Args:
        rate: probability of dropping, 0 <= rate <= 1, or a schedule of the step (`thinned.linear` and its kin),
            which needs a bound model; may be set later (`layer.rate = 0.0`).
        broadcast_dims: axes along which one draw is shared.
        deterministic: True in evaluation; `model.train()` and `model.eval()` set it.
        rng_collection: the stream of `rngs` that keys are taken from.
        rngs: an `nnx.Rngs` or one stream of it; a bound layer needs none.
        site: the name of its draws in a bound model; its path, joined by dots, by default.

    Raises:
        RateError: `rate` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ValueError: neither `deterministic` nor a key is to be had.
        BindError: a schedule in a free layer; a bound layer outside a call of its model.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> layer = thinned.flax.Dropout(0.5, rngs=nnx.Rngs(0))
        >>> sorted(set(layer(jnp.ones(1000)).tolist()))
        [0.0, 2.0]
        >>> layer.eval()
        >>> layer(jnp.ones(3))
        Array([1., 1., 1.], dtype=float32)

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def __init__(
        self, rate: float | Schedule, *, broadcast_dims: Sequence[int] = (), **common: Unpack[Common]
    ) -> None:
        super().__init__(rate, **common)
        self.broadcast_dims = broadcast_dims

    def unseeded(self, inputs: Any) -> Any:
        # Flax's own: zeros at rate 1, else an error in its words.
        return nnx.Dropout.__call__(self, inputs, deterministic=False)


class AlphaDropout(Rated, kinds.Alpha):
    """Set units to SELU's lower limit with probability `rate` in training; mean 0 and variance 1 stay.

        y = a x + b where kept, else a alpha' + b,   a = ((1 - q) (1 + q alpha'^2))^(-1/2),   b = -a q alpha'

    Put it behind `jax.nn.selu`. Its mask is that of `Dropout`; args and errors, too, but for `broadcast_dims`.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> y = thinned.flax.AlphaDropout(0.5, rngs=nnx.Rngs(0))(jnp.zeros(1000))
        >>> sorted({round(value, 4) for value in y.tolist()})
        [-0.7792, 0.7792]

    References:
        Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017,
        https://arxiv.org/abs/1706.02515.
    """


class FeatureAlphaDropout(Rated, kinds.FeatureAlpha):
    """Set whole channels of (batch, *positions, channel) to SELU's lower limit: one draw for all positions.

    Args and errors are those of `AlphaDropout`.

    Raises:
        ShareError: an input with fewer than two axes.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> y = thinned.flax.FeatureAlphaDropout(0.5, rngs=nnx.Rngs(0))(jnp.zeros((2, 4, 4, 3)))
        >>> float(y.std(axis=(1, 2)).max())
        0.0

    References:
        Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017,
        https://arxiv.org/abs/1706.02515.
    """


class GaussianDropout(Rated, kinds.Gaussian):
    """Multiply each element by a normal of mean 1 in training, with the variance of dropout at `rate`.

        y = x (1 + z sqrt(q / (1 - q)))

    `q = T / 65536` is the quantised rate. In a bound model `z` is `thinned.mask.normal(x.shape, seed=seed,
    site=name, step=step)`, within 2^-20 of its radius. At rate 1 nothing is left. Args and errors are those of
    `Dropout`, but for `broadcast_dims`.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> model = thinned.flax.bind(nnx.Sequential(thinned.flax.GaussianDropout(0.5)), seed=0)
        >>> model(jnp.ones(3)).shape
        (3,)

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", section 10, JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html. Wang, Manning, "Fast Dropout Training", 2013,
        https://proceedings.mlr.press/v28/wang13a.html.
    """


class UniformDropout(Rated, kinds.Uniform):
    """Multiply each element by a uniform draw of mean 1 in training, with the variance of dropout at `rate`.

        y = x (1 + w (2 u - 1)),   w = sqrt(3 q / (1 - q))

    `u` is `thinned.mask.uniform`; at rate 1/4 this is the paper's `y = 2 u x`. At rate 1 nothing is left. Args and
    errors are those of `Dropout`, but for `broadcast_dims`.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> y = thinned.flax.UniformDropout(0.25, rngs=nnx.Rngs(0))(jnp.ones(1000))
        >>> bool(y.min() > 0), bool(y.max() < 2)
        (True, True)

    References:
        Shen, Tian, Liu, Xu, Tao, "Continuous Dropout", 2018, https://arxiv.org/abs/1911.12675. We differ: the width
        follows the rate.
    """


class GaussianNoise(Drawing, kinds.Noise):
    """Add a normal of mean 0 and standard deviation `std` to each element in training.

        y = x + std z

    In a bound model `z` is `thinned.mask.normal(x.shape, seed=seed, site=name, step=step)`, within 2^-20 of its
    radius. The gradient goes through as it is.

    Args:
        std: a finite number, 0 or more, or a schedule of the step, which needs a bound model; may be set later.
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        RateError: a standard deviation that is negative or no finite number.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> layer = thinned.flax.GaussianNoise(0.1, rngs=nnx.Rngs(0))
        >>> float(abs(layer(jnp.ones(1000)) - 1).max()) < 0.7
        True

    References:
        Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995,
        https://doi.org/10.1162/neco.1995.7.1.108.
    """

    def __init__(self, std: float | Schedule = 0.1, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.std = std if isinstance(std, Schedule) else check_size(std)


class StochasticReLU(Rated, kinds.Rectifier):
    """A ReLU that is off with probability `rate` in training, and scaled where it is on: dropout behind it.

        y = k max(x, 0) / (1 - T / 65536),   T = round(65536 rate)

    Evaluation is `max(x, 0)`, the expectation. Its mask is that of `Dropout`; args and errors, too, but for
    `broadcast_dims`.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> layer = thinned.flax.StochasticReLU(0.5, rngs=nnx.Rngs(0))
        >>> sorted(set(layer(jnp.tile(jnp.array([-1.0, 1.0]), 100)).tolist()))
        [0.0, 2.0]

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """


class LockedDropout(Rated, kinds.Locked):
    """Zero the same features of a sample at every time step: one draw along time.

        y[b, t, :] = k[b, :] x[b, t, :] / (1 - T / 65536),   T = round(65536 rate)

    Args:
        rate: probability of dropping, as in `Dropout`.
        time_major: as in `nnx.RNN`: inputs are (time, batch, *rest), and not (batch, time, *rest). Two axes are
            (time, features).
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        ShareError: an input with fewer than two axes.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> y = thinned.flax.LockedDropout(0.5, rngs=nnx.Rngs(0))(jnp.ones((2, 7, 16)))
        >>> bool((y == y[:, :1]).all())
        True

    References:
        Gal, Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016,
        https://arxiv.org/abs/1512.05287. We differ: rescaling at training time.
    """

    def __init__(
        self, rate: float | Schedule = 0.5, *, time_major: bool = False, **common: Unpack[Common]
    ) -> None:
        super().__init__(rate, **common)
        self.time_major = time_major


class DropPath(Rated, kinds.Path):
    """Zero whole samples of a residual branch: one draw for all but axis 0, the batch.

        y[b] = k[b] x[b] / (1 - T / 65536),   T = round(65536 rate)

    Args:
        rate: probability of dropping, as in `Dropout`.
        scale_by_keep: divide by the share that is kept; without it, evaluation sees larger values than training.
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        ShareError: an input without axes.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> y = thinned.flax.DropPath(0.25, rngs=nnx.Rngs(0))(jnp.ones((100, 3, 4)))
        >>> sorted({round(value, 4) for value in y[:, 0, 0].tolist()}), bool((y == y[:, :1, :1]).all())
        ([0.0, 1.3333], True)

    References:
        Larsson, Maire, Shakhnarovich, "FractalNet: Ultra-Deep Neural Networks without Residuals", 2017,
        https://arxiv.org/abs/1605.07648, for the name; Huang et al., "Deep Networks with Stochastic Depth", 2016,
        https://arxiv.org/abs/1603.09382, for a single branch. We differ: a draw a sample, not a batch, and
        rescaling at training time.
    """

    def __init__(
        self, rate: float | Schedule = 0.5, *, scale_by_keep: bool = True, **common: Unpack[Common]
    ) -> None:
        super().__init__(rate, **common)
        self.scale_by_keep = scale_by_keep


class BatchDropout(Rated, kinds.Grouped):
    """Zero the same units for all samples of a batch, or of each of its groups.

        y = k x / (1 - T / 65536),   k[g(r), u] = mask.keep((groups, units), rate, ...)
        g(r) = floor(r groups / B)

    for row r of the B rows of the batch, axis 0, and unit u. Positions between them share a draw.

    Args:
        rate: probability of dropping, as in `Dropout`.
        groups: how many thinned networks a batch has: contiguous groups of samples, equal to within one.
        axis: where the units are; the last, by default.
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        ShareError: `groups` below 1; in a call, an input without that axis, or with the batch on it.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> model = thinned.flax.bind(nnx.Sequential(thinned.flax.BatchDropout(0.5, groups=2, site="0")), 0)
        >>> model(jnp.ones((4, 8)))
        Array([[0., 2., 0., 0., 2., 0., 0., 0.],
               [0., 2., 0., 0., 2., 0., 0., 0.],
               [2., 0., 0., 2., 2., 2., 0., 0.],
               [2., 0., 0., 2., 2., 2., 0., 0.]], dtype=float32)

    References:
        Graham, Reizenstein, Robinson, "Efficient batchwise dropout training using submatrices", 2015,
        https://arxiv.org/abs/1502.02478. We differ: rescaling at training time, and groups.
    """

    def __init__(
        self, rate: float | Schedule = 0.5, *, groups: int = 1, axis: int = -1, **common: Unpack[Common]
    ) -> None:
        super().__init__(rate, **common)
        self.groups = check_groups(groups)
        self.axis = check_axis(axis)


class _DropBlock(Rated, kinds.Blocks):
    def __init__(
        self,
        rate: float | Schedule = 0.1,
        block_size: BlockSize = 7,
        *,
        share_channels: bool = False,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(rate, **common)
        block_sizes(block_size, self.positions)
        self.block_size = tuple(block_size) if isinstance(block_size, Sequence) else block_size
        self.share_channels = share_channels


class DropBlock2d(_DropBlock):
    """Zero whole blocks of (batch, height, width, channel) in training, and scale each sample by what it keeps.

        y = x m n / sum(m),   m[p] = no seed in [p, p + block_size - 1] on either axis,   P(seed) = gamma
        gamma = 1 - (1 - rate)^(1 / block_size^2)

    over the `n` elements of a sample: `thinned.jax.drop_block`, whose seeds lie as the array does, channels last.

    Args:
        rate: probability that an element is dropped, as in `Dropout`.
        block_size: an integer, or one for each axis of positions; even ones, and ones larger than the map, too.
        share_channels: drop the same positions in all channels of a sample.
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        ShapeError: a block size below 1, or not one for each axis; in a call, an input with other axes.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> layer = thinned.flax.DropBlock2d(0.1, block_size=3, rngs=nnx.Rngs(0))
        >>> layer(jnp.ones((2, 16, 16, 8))).mean(axis=(1, 2, 3)).round(5)
        Array([1., 1.], dtype=float32)

    References:
        Ghiasi, Lin, Le, "DropBlock: A Regularization Method for Convolutional Networks", 2018,
        https://arxiv.org/abs/1810.12890. We differ: blocks may overlap the border and each other, and `rate` is
        still the share that is dropped; the scale is each sample's own, and not that of the batch.
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
