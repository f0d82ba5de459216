"""Dropout and its relatives of tensors at an address: pure functions."""

import tensorflow as tf

from thinned.mask.sharing import Share, Window
from thinned.methods import alpha
from thinned.methods import gaussian_dropout as gaussian
from thinned.methods import gaussian_noise as noise
from thinned.methods import uniform_dropout as uniform
from thinned.methods.law import THIN
from thinned.tensorflow._address import Coordinate, Tensor
from thinned.tensorflow._law import apply, dense, guarded


def dropout(
    x: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Zero each element with probability `rate`, and scale the others so that the expectation stays.

        y = k x / (1 - T / 65536),   k = mask.keep(x.shape, rate, seed=..., ...)

    In a `tf.function` a seed, site, step, draw, rate or window that is a tensor may move without a new trace.
    Nothing is saved for the gradient but the address. A dropped NaN or infinity becomes 0.

    Args:
        x: tensor of float32, float64, bfloat16 or float16, any shape; in a graph, sizes may be unknown.
        rate: probability of dropping, 0 <= rate <= 1; or a tensor of one number, which quantises.
        seed: the run: an integer in [-2^63, 2^64), or an integer tensor.
        site: the place in the network: a name, an integer in [0, 2^32), or an integer tensor.
        step: the training step, in [0, 2^32), or an integer tensor or variable.
        draw: which of several draws, in [0, 2^16), or an integer tensor.
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where `x` is part of a larger tensor; `index` holds, for each axis, a
            start or an array or tensor of global indices, or a tensor of one start.

    Returns:
        Tensor like `x`: same shape and dtype.

    Raises:
        RateError, AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> thinned.tensorflow.dropout(tf.ones(8), 0.5, seed=0, site="fc1").numpy()
        array([0., 0., 2., 0., 0., 2., 2., 2.], dtype=float32)

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html. We differ: rescaling at training time.
    """
    return apply(x, THIN, rate, (seed, site, step, draw), share, window)


def stochastic_relu(
    x: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """A ReLU that is off with probability `rate`, and scaled where it is on: `dropout(relu(x))`.

        y = k max(x, 0) / (1 - T / 65536),   k = mask.keep(x.shape, rate, seed=..., ...)

    Args and errors are those of `dropout`. Saved for the gradient, beside the address: the rectified input.

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> x = tf.constant([-1.0, 1, -1, 1, -1, 1, -1, 1])
        >>> thinned.tensorflow.stochastic_relu(x, 0.5, seed=0, site="fc1").numpy()
        array([0., 0., 0., 0., 0., 2., 0., 2.], dtype=float32)

    References:
        Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """
    return apply(tf.nn.relu(guarded(dense, x)), THIN, rate, (seed, site, step, draw), share, window)


def alpha_dropout(
    x: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Set each element to SELU's lower limit with probability `rate`; an affine map keeps mean 0 and variance 1.

        y = a x + b where k, else a alpha' + b,   a = ((1 - q) (1 + q alpha'^2))^(-1/2),   b = -a q alpha'

    `k = mask.keep(x.shape, rate, seed=..., ...)`, `q = T / 65536` is the quantised rate, and `alpha'` is -1.7581,
    what SELU tends to. Nothing is saved for the gradient but the address: it is `a k g`. At rate 1 nothing is left.

    Args and errors are those of `dropout`.

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> thinned.tensorflow.alpha_dropout(tf.zeros(4), 0.5, seed=0, site="fc1").numpy().round(4)
        array([-0.7792, -0.7792,  0.7792, -0.7792], dtype=float32)

    References:
        Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017,
        https://arxiv.org/abs/1706.02515.
    """
    return apply(x, alpha.LAW, rate, (seed, site, step, draw), share, window)


def gaussian_dropout(
    x: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Multiply each element by a normal of mean 1 and the variance that dropout has at this rate.

        y = x (1 + z sqrt(q / (1 - q))),   z = mask.normal(x.shape, seed=..., ...)

    `q = T / 65536` is the quantised rate. Nothing is saved for the gradient but the address. At rate 1, where the
    variance has no limit, nothing is left.

    Args and errors are those of `dropout`, except that `rate` drops nothing.

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> thinned.tensorflow.gaussian_dropout(tf.ones(3), 0.5, seed=0).numpy().round(4)
        array([1.9911, 0.0753, 0.3824], dtype=float32)

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", section 10, JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html; Wang, Manning, "Fast Dropout Training", 2013,
        https://proceedings.mlr.press/v28/wang13a.html.
    """
    return apply(x, gaussian.LAW, rate, (seed, site, step, draw), share, window)


def uniform_dropout(
    x: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Multiply each element by a uniform draw of mean 1 and the variance that dropout has at this rate.

        y = x (1 + w (2 u - 1)),   w = sqrt(3 q / (1 - q)),   u = mask.uniform(x.shape, seed=..., ...)

    `q = T / 65536` is the quantised rate; at 1/4 this is `y = 2 u x`, the paper's law, and above it factors may be
    negative. Nothing is saved for the gradient but the address. At rate 1, where the variance has no limit, nothing
    is left.

    Args and errors are those of `dropout`, except that `rate` drops nothing.

    Example:
        >>> import tensorflow as tf, thinned, thinned.tensorflow
        >>> y = thinned.tensorflow.uniform_dropout(tf.ones(1000), 0.25, seed=0)
        >>> bool((y.numpy() == 2 * thinned.mask.uniform((1000,), seed=0)).all())
        True

    References:
        Shen, Tian, Liu, Xu, Tao, "Continuous Dropout", 2018, https://arxiv.org/abs/1911.12675. We differ: the width
        follows the rate.
    """
    return apply(x, uniform.LAW, rate, (seed, site, step, draw), share, window)


def gaussian_noise(
    x: Tensor,
    std: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Add a normal of mean 0 and standard deviation `std` to each element.

        y = x + std z,   z = mask.normal(x.shape, seed=..., ...)

    The gradient goes through as it is.

    Args:
        x: tensor of float32, float64, bfloat16 or float16.
        std: a finite number, 0 or more; or a tensor of one number, through which no gradient flows.
        seed: the run, as in `dropout`; so `site`, `step` and `draw`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where `x` is part of a larger tensor.

    Raises:
        RateError: a standard deviation that is negative or no finite number.
        AddressError, ShareError, WindowError, DtypeError: as `dropout`.

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> thinned.tensorflow.gaussian_noise(tf.zeros(3), 1.0, seed=0).numpy().round(4)
        array([ 0.9911, -0.9247, -0.6176], dtype=float32)

    References:
        Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995,
        https://doi.org/10.1162/neco.1995.7.1.108.
    """
    return apply(x, noise.LAW, std, (seed, site, step, draw), share, window)
