"""Products with a matrix of which each example has a thinned copy of its own."""

import tensorflow as tf

from thinned.errors import ShapeError
from thinned.mask.sharing import Window
from thinned.tensorflow._address import Coordinate, Tensor
from thinned.tensorflow._functional import dropout
from thinned.tensorflow._law import dense, guarded


def drop_connect(
    x: Tensor,
    weight: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    window: Window | None = None,
) -> Tensor:
    """Multiply by a matrix of which each example has a thinned copy of its own, which is made.

        y[b, ..., o] = sum_i k[b, o, i] weight[o, i] x[b, ..., i] / (1 - T / 65536)
        k = mask.keep((batch, out, in), rate, seed=..., ...)

    Args:
        x: float tensor, axes (batch, ..., in).
        weight: float tensor of the same dtype, axes (out, in).
        rate: probability of dropping a connection, as in `dropout`.
        seed: the run, as in `dropout`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        window: `(global_shape, index)` of the mask with axes (batch, out, in), where it is part of a larger one.

    Raises:
        RateError, AddressError, WindowError, DtypeError: see `thinned.errors`.
        ShapeError: shapes that do not fit.

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> thinned.tensorflow.drop_connect(tf.ones((2, 4)), tf.ones((3, 4)), 0.5, seed=0).numpy()
        array([[6., 8., 4.],
               [4., 2., 0.]], dtype=float32)

    References:
        Wan, Zeiler, Zhang, LeCun, Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013,
        https://proceedings.mlr.press/v28/wan13.html. We differ: rescaling at training time.
    """
    x, weight = guarded(dense, x), guarded(dense, weight)
    if x.shape.rank is None or x.shape.rank < 2 or weight.shape.rank != 2:
        raise ShapeError(
            f"expected x with axes (batch, ..., in) and weight (out, in); got {x.shape} and {weight.shape}."
        )
    copies = tf.broadcast_to(weight, tf.concat([tf.shape(x)[:1], tf.shape(weight)], 0))
    copies = tf.ensure_shape(copies, [x.shape[0], *weight.shape])
    own = dropout(copies, rate, seed=seed, site=site, step=step, draw=draw, window=window)
    return tf.einsum("b...i,boi->b...o", x, own)
