"""Dropout and its relatives of arrays at an address: pure functions."""

from typing import SupportsFloat

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from thinned.jax import _blocks
from thinned.jax._law import apply, checked
from thinned.jax._primitive import thin
from thinned.jax._ticket import Coordinate
from thinned.mask.sharing import Share, Window
from thinned.methods import alpha
from thinned.methods import gaussian_dropout as gaussian
from thinned.methods import gaussian_noise as noise
from thinned.methods import uniform_dropout as uniform
from thinned.methods.drop_block import BlockSize
from thinned.methods.law import THIN


def dropout(
    x: ArrayLike,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """Zero each element with probability `rate`, and scale the others so that the expectation stays.

        y = k x / (1 - T / 65536),   k = mask.keep(x.shape, rate, seed=..., ...)

    Pure: the same address is the same mask under every transformation and sharding. The address is data, so no
    seed, step or rate compiles anything anew once it is traced. Nothing is kept for the backward pass but the
    address. A dropped NaN or infinity becomes 0. Under `jax.vmap` an address that is not batched is one mask for
    all lanes.

    Args:
        x: float array of any shape: float32, float64, bfloat16 or float16.
        rate: probability of dropping, 0 <= rate <= 1; or an array of one number, which quantises.
        seed: the run: an integer in [-2^63, 2^64), an integer array of one, or its two words, low first, as a
            uint32 array of shape (2,).
        site: the place in the network: a name, an integer in [0, 2^32), or an integer array of one.
        step: the training step, in [0, 2^32), or an integer array of one.
        draw: which of several draws, in [0, 2^16), or an integer array of one.
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where `x` is part of a larger array; `index` holds, for each axis, a
            start or an array of global indices, which may be traced.

    Returns:
        Array like `x`: same shape, dtype and sharding.

    Raises:
        RateError, AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import jax, jax.numpy as jnp, thinned.jax
        >>> thinned.jax.dropout(jnp.ones(8), 0.5, seed=0, site="fc1")
        Array([0., 0., 2., 0., 0., 2., 2., 2.], dtype=float32)
        >>> @jax.jit
        ... def layer(x, step):
        ...     return thinned.jax.dropout(x, 0.5, seed=0, site="fc1", step=step)
        >>> layer(jnp.ones(8), 1)
        Array([0., 2., 2., 0., 0., 2., 2., 2.], dtype=float32)

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html. We differ: rescaling at training time.
    """
    return apply(x, THIN, rate, (seed, site, step, draw), share, window)


def stochastic_relu(
    x: ArrayLike,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """A ReLU that is off with probability `rate`, and scaled where it is on: `dropout(relu(x))`.

        y = k max(x, 0) / (1 - T / 65536),   k = mask.keep(x.shape, rate, seed=..., ...)

    For the backward pass the sign of `x` is kept. Args and errors are those of `dropout`.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> x = jnp.array([-1.0, 1, -1, 1, -1, 1, -1, 1])
        >>> thinned.jax.stochastic_relu(x, 0.5, seed=0, site="fc1")
        Array([0., 0., 0., 0., 0., 2., 0., 2.], dtype=float32)

    References:
        Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """
    x = checked(x)
    rectified = jnp.where(x <= 0, jnp.zeros_like(x), x)  # no maximum: of it a NaN has half a gradient
    return apply(rectified, THIN, rate, (seed, site, step, draw), share, window)


def alpha_dropout(
    x: ArrayLike,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """Set each element to SELU's lower limit with probability `rate`; an affine map keeps mean 0 and variance 1.

        y = a x + b where k, else a alpha' + b,   a = ((1 - q) (1 + q alpha'^2))^(-1/2),   b = -a q alpha'

    `k = mask.keep(x.shape, rate, seed=..., ...)`, `q = T / 65536` is the quantised rate, and `alpha'` is -1.7581,
    what SELU tends to. Nothing is kept for the backward pass but the address: the gradient is `a k g`. At rate 1
    nothing is left. Args and errors are those of `dropout`.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> y = thinned.jax.alpha_dropout(jnp.zeros(4), 0.5, seed=0, site="fc1")
        >>> [round(value, 4) for value in y.tolist()]
        [-0.7792, -0.7792, 0.7792, -0.7792]

    References:
        Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017,
        https://arxiv.org/abs/1706.02515.
    """
    return apply(x, alpha.LAW, rate, (seed, site, step, draw), share, window)


def feature_alpha_dropout(
    x: ArrayLike,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    window: Window | None = None,
    channel_axis: int = -1,
) -> Array:
    """`alpha_dropout` of whole channels: one draw for all positions.

    Errors are those of `dropout`; fewer than two axes are a ShareError.

    Args:
        x: float array, axes (batch, *positions, channel).
        rate: probability of dropping, as in `dropout`.
        seed: the run, as in `dropout`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        window: where `x` is part of a larger array.
        channel_axis: of `x`, whose axis 0 is the batch; -1 as Flax lays arrays out, 1 as PyTorch does.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> y = thinned.jax.feature_alpha_dropout(jnp.zeros((1, 2, 4)), 0.5, seed=0, site="fc1")[0, 1]
        >>> [round(value, 4) for value in y.tolist()]
        [-0.7792, -0.7792, 0.7792, -0.7792]

    References:
        Klambauer et al., 2017, https://arxiv.org/abs/1706.02515.
    """
    share = alpha.feature_axes(jnp.ndim(x), channel_axis)
    return apply(x, alpha.LAW, rate, (seed, site, step, draw), share, window)


def gaussian_dropout(
    x: ArrayLike,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """Multiply each element by a normal of mean 1 and the variance that dropout has at this rate.

        y = x (1 + z sqrt(q / (1 - q))),   z = mask.normal(x.shape, seed=..., ...)

    `q = T / 65536` is the quantised rate. Nothing is kept for the backward pass but the address. At rate 1, where
    the variance has no limit, nothing is left. Args and errors are those of `dropout`, except that `rate` drops
    nothing.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> y = thinned.jax.gaussian_dropout(jnp.ones(3), 0.5, seed=0)
        >>> [round(value, 4) for value in y.tolist()]
        [1.9911, 0.0753, 0.3824]

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", section 10, JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html; Wang, Manning, "Fast Dropout Training", 2013,
        https://proceedings.mlr.press/v28/wang13a.html.
    """
    return apply(x, gaussian.LAW, rate, (seed, site, step, draw), share, window)


def uniform_dropout(
    x: ArrayLike,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """Multiply each element by a uniform draw of mean 1 and the variance that dropout has at this rate.

        y = x (1 + w (2 u - 1)),   w = sqrt(3 q / (1 - q)),   u = mask.uniform(x.shape, seed=..., ...)

    `q = T / 65536` is the quantised rate; at 1/4 this is `y = 2 u x`, the paper's law, and above it factors may be
    negative. Nothing is kept for the backward pass but the address. At rate 1, where the variance has no limit,
    nothing is left. Args and errors are those of `dropout`, except that `rate` drops nothing.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> y = thinned.jax.uniform_dropout(jnp.ones(1000), 0.25, seed=0)
        >>> bool((y == 2 * thinned.jax.uniform((1000,), seed=0)).all())
        True

    References:
        Shen, Tian, Liu, Xu, Tao, "Continuous Dropout", 2018, https://arxiv.org/abs/1911.12675. We differ: the width
        follows the rate.
    """
    return apply(x, uniform.LAW, rate, (seed, site, step, draw), share, window)


def gaussian_noise(
    x: ArrayLike,
    std: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """Add a normal of mean 0 and standard deviation `std` to each element.

        y = x + std z,   z = mask.normal(x.shape, seed=..., ...)

    The gradient goes through as it is.

    Args:
        x: float array of any shape.
        std: a finite number, 0 or more; or an array of one number, through which no gradient flows.
        seed: the run, as in `dropout`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: where `x` is part of a larger array.

    Raises:
        RateError: a standard deviation that is negative or no finite number.
        AddressError, ShareError, WindowError, DtypeError: as `dropout`.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> y = thinned.jax.gaussian_noise(jnp.zeros(3), 1.0, seed=0)
        >>> [round(value, 4) for value in y.tolist()]
        [0.9911, -0.9247, -0.6176]

    References:
        Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995,
        https://doi.org/10.1162/neco.1995.7.1.108.
    """
    return apply(x, noise.LAW, std, (seed, site, step, draw), share, window)


def drop_block(
    x: ArrayLike,
    rate: SupportsFloat | Array,
    block_size: BlockSize,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
    channel_axis: int = -1,
) -> Array:
    """Zero whole blocks of a feature map, and scale each sample by the share of it that is kept.

        y = x m n / sum(m),   m[p] = no seed in [p, p + block_size - 1],   P(seed) = gamma
        gamma = 1 - (1 - rate)^(1 / block_size^d)

    over the `n` elements of a sample, with `d` axes of positions. Every element is dropped with probability `rate`,
    at a border as in the middle, since blocks may begin outside the map. The seeds are drawn in the wide variant of
    the law, axes as those of `x`, with `length + block_size - 1` seeds on an axis of positions. A sample of which
    nothing is kept becomes 0. Nothing is kept for the backward pass but the address.

    Args:
        x: float array with axes of batch, channel, and one to three of positions; the batch is axis 0.
        rate: probability that an element is dropped, 0 <= rate <= 1; or an array of one number, which is rounded to
            a multiple of 1/65536.
        block_size: an integer, or one for each axis of positions; even ones, and ones larger than the map, too.
        seed: the run, as in `dropout`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: the channel's axis where all channels of a sample drop the same positions, 0 where all samples do.
        window: `(global_shape, index)` where `x` is part of a larger batch; whole on the other axes.
        channel_axis: -1 as Flax lays arrays out; 1 as PyTorch does, for the masks of `thinned.torch.drop_block`.

    Raises:
        RateError, AddressError, ShapeError, ShareError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> (thinned.jax.drop_block(jnp.ones((1, 4, 8, 1)), 0.4, 3, seed=5)[0, ..., 0] != 0).astype(int)
        Array([[0, 0, 0, 0, 0, 1, 1, 1],
               [0, 0, 0, 0, 0, 1, 1, 0],
               [0, 0, 0, 0, 0, 0, 1, 0],
               [1, 1, 0, 0, 0, 0, 1, 0]], dtype=int32)

    References:
        Ghiasi, Lin, Le, "DropBlock: A Regularization Method for Convolutional Networks", 2018,
        https://arxiv.org/abs/1810.12890. We differ: blocks may overlap the border and each other without changing
        the rate; the scale is each sample's own, and not that of the batch.
    """
    x, address = checked(x), (seed, site, step, draw)
    ticket, data, where, law = _blocks.blocks(x, rate, block_size, address, share, window, channel_axis)
    return thin(x, ticket, data, where, law)
