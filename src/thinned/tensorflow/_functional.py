"""Dropout of tensors at an address."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import tensorflow as tf

from thinned.errors import DtypeError, ThinnedError
from thinned.mask.rate import LEVELS, scale
from thinned.mask.sharing import Share, Window
from thinned.tensorflow import _kernel
from thinned.tensorflow._address import Coordinate, Coordinates, Tensor, coordinates, counter, level
from thinned.tensorflow._draws import half_words
from thinned.tensorflow._place import Read, place, read

_DTYPES = (tf.float32, tf.float64, tf.bfloat16, tf.float16)


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
    try:
        return _dropout(x, rate, (seed, site, step, draw), share, window)
    except ThinnedError as error:
        # AutoGraph replaces the errors of a traced function, save those that ask to be left as they are.
        error.ag_pass_through = True  # type: ignore[attr-defined]
        raise


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
def _dropout(
    x: Any, rate: Any, address: tuple[Coordinate, ...], share: Share, window: Window | None
) -> Tensor:
    x, at = _dense(x), coordinates(address)
    share = tuple(share) if isinstance(share, Iterable) else share  # it is read again for the gradient
    return _thin(x, _Draw(level(rate), at, share, read(window)))


def _dense(x: Any) -> Tensor:
    """`x` as a tensor of a dtype that can be scaled."""
    if isinstance(x, (tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices)):
        raise DtypeError(
            f"expected a dense tensor; got a {type(x).__name__}, whose elements have no index in a mask. Drop "
            "from its values, or from x.to_tensor() or tf.sparse.to_dense(x)."
        )
    x = tf.convert_to_tensor(x)
    if x.dtype not in _DTYPES:
        raise DtypeError(
            f"expected a tensor of float32, float64, bfloat16 or float16; got {x.dtype.name} of shape {x.shape}; "
            "convert it with tf.cast(x, tf.float32)."
        )
    return x


class _Draw(NamedTuple):
    """Everything that a mask depends on besides its shape; all that a gradient needs."""

    threshold: int | Tensor
    at: Coordinates
    share: Share
    window: Read | None


def _thin(x: Tensor, draw: _Draw) -> Tensor:
    """The mask at an address, applied; its gradient is itself, and draws again."""
    shape = x.shape  # of the input a gradient needs no more

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def thin(x: Tensor) -> Any:
        return _drop(x, draw), lambda gradient: _thin(tf.ensure_shape(gradient, shape), draw)

    return thin(x)


def _drop(x: Tensor, draw: _Draw) -> Tensor:
    if tf.executing_eagerly() and _kernel.reaches(x):
        return _kernel.drop(x, *draw)
    where = place(x, draw.share, draw.window)
    if isinstance(draw.threshold, int) and draw.threshold in {0, LEVELS}:
        return tf.zeros_like(x) if draw.threshold else tf.identity(x)
    return _select(x, draw.threshold, half_words(counter(draw.at), where))


def _select(x: Tensor, threshold: int | Tensor, halves: Tensor) -> Tensor:
    """`y = k x s`: dropped elements become +0, whatever they were."""
    if isinstance(threshold, int):
        kept = halves >= tf.constant(threshold, tf.uint16)
        factor = tf.constant(scale(threshold), tf.float64)
    else:
        # The threshold that drops all is one more than a half-word can hold.
        kept = (halves >= tf.cast(tf.minimum(threshold, LEVELS - 1), tf.uint16)) & (threshold < LEVELS)
        left = tf.cast(LEVELS - threshold, tf.float64)
        factor = tf.math.divide_no_nan(tf.constant(LEVELS, tf.float64), left)
    exact = tf.float64 if x.dtype == tf.float64 else tf.float32
    scaled = tf.cast(tf.cast(x, exact) * tf.cast(factor, exact), x.dtype)
    return tf.where(kept, scaled, tf.zeros([], x.dtype))
