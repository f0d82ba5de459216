"""The law's draws themselves, as tensors: masks, uniforms and normals at an address."""

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import tensorflow as tf

from thinned.mask.sharing import Share, Window, shared_axes
from thinned.methods.law import DRAW_KEEP, DRAW_NORMAL, DRAW_UNIFORM, HALF, NORMAL, Law
from thinned.tensorflow import _kernel
from thinned.tensorflow._address import Coordinate, Tensor, coordinates, counter, level
from thinned.tensorflow._draws import draws
from thinned.tensorflow._law import Address, check_dtype, guarded, on_scale, precision
from thinned.tensorflow._place import Size, place_of, read


def keep(
    shape: Sequence[Size] | Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """The mask of `thinned.mask.keep` as a tensor: True where `dropout` keeps an element.

    Args:
        shape: of the tensor that the mask is for: integers, and in a graph integer tensors; or one tensor.
        rate: probability of dropping, 0 <= rate <= 1; or a tensor of one number, which quantises.
        seed: the run, as in `dropout`; so `site`, `step` and `draw`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where the tensor is part of a larger one.

    Returns:
        bool tensor with `shape`, and 1 on shared axes.

    Raises:
        RateError, AddressError, ShareError, WindowError: see `thinned.errors`.

    Example:
        >>> import thinned.tensorflow
        >>> thinned.tensorflow.keep((4,), 0.5, seed=0, site="fc1").numpy()
        array([False, False,  True, False])
    """
    where = (seed, site, step, draw)
    return tf.cast(guarded(_drawn, shape, DRAW_KEEP, rate, where, share, window, tf.float32), tf.bool)


def uniform(
    shape: Sequence[Size] | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
    dtype: Any = tf.float32,
) -> Tensor:
    """The draws of `thinned.mask.uniform` as a tensor, in (0, 1), with 1 on shared axes; exact in float32.

        uniform = (h + 0.5) / 65536

    Args and errors are those of `keep`; another `dtype` than a float is a DtypeError.

    Example:
        >>> import thinned.tensorflow
        >>> thinned.tensorflow.uniform((3,), seed=0).numpy().round(4)
        array([0.9095, 0.399 , 0.7717], dtype=float32)
    """
    return guarded(_drawn, shape, DRAW_UNIFORM, 0, (seed, site, step, draw), share, window, dtype)


def normal(
    shape: Sequence[Size] | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
    dtype: Any = tf.float32,
) -> Tensor:
    """The draws of `thinned.mask.normal` as a tensor, within 2^-20 of their radius, with 1 on shared axes.

    Args and errors are those of `keep`; another `dtype` than a float is a DtypeError.

    Example:
        >>> import thinned.tensorflow
        >>> thinned.tensorflow.normal((3,), seed=0).numpy().round(4)
        array([ 0.9911, -0.9247, -0.6176], dtype=float32)
    """
    return guarded(_drawn, shape, DRAW_NORMAL, 0, (seed, site, step, draw), share, window, dtype)


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
def _drawn(
    shape: Any, law: Law, rate: Any, address: Address, share: Share, window: Window | None, dtype: Any
) -> Tensor:
    """The draws of a law that only writes."""
    dtype = tf.as_dtype(dtype)
    check_dtype(dtype, shape)
    share = tuple(share) if isinstance(share, Iterable) else share
    sizes = _sizes(shape)
    axes = shared_axes(len(sizes), share)
    local = [1 if axis in axes else size for axis, size in enumerate(sizes)]
    amount, at, where = level(rate), coordinates(address), read(window)
    if tf.executing_eagerly():
        result = _kernel.empty(local, dtype)
        if _kernel.reaches(result):
            return _kernel.drawn(result, law, amount, at, share, where)
    draw, exact = law.kind[0], precision(dtype)
    found = draws(draw, counter(at), place_of(local, share, where, wide=draw == NORMAL))
    if draw == HALF:
        return tf.cast(tf.cast(found, tf.int32) >= amount, dtype)
    found = on_scale(draw, found, exact)
    return tf.cast(found if draw == NORMAL else found * 0.5 + 0.5, dtype)


def _sizes(shape: Any) -> list[Size]:
    """Integers where they are known, else int64 scalars."""
    entries = tf.unstack(tf.cast(shape, tf.int64)) if tf.is_tensor(shape) else list(shape)
    if tf.executing_eagerly():
        return [int(entry) if tf.is_tensor(entry) else operator.index(entry) for entry in entries]
    return [tf.cast(entry, tf.int64) if tf.is_tensor(entry) else operator.index(entry) for entry in entries]
