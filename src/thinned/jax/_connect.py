"""Products with a matrix of which each example has a thinned copy of its own."""

from collections.abc import Callable
from typing import Any, SupportsFloat

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from thinned.errors import ShapeError
from thinned.jax._functional import dropout
from thinned.jax._law import checked
from thinned.jax._ticket import Coordinate
from thinned.mask.sharing import Window


def drop_connect(
    x: Array,
    weight: Array,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    window: Window | None = None,
) -> Array:
    """Multiply by a matrix of which each example has a thinned copy of its own.

        y[b, ..., o] = sum_i k[b, o, i] weight[o, i] x[b, ..., i] / (1 - T / 65536)
        k = mask.keep((batch, out, in), rate, seed=..., ...)

    Examples are computed one after the other, so that no more than one copy of the weights exists, forward and
    backward; on an accelerator, and where the batch is divided among devices, one mask for all is the faster by
    far: `x @ dropout(weight, rate, ...).T`.

    Args:
        x: float array, axes (batch, ..., in).
        weight: float array, axes (out, in).
        rate: probability of dropping a connection, as in `dropout`.
        seed: the run, as in `dropout`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        window: `(global_shape, index)` of the mask with axes (batch, out, in), where it is part of a larger one,
            whole on the last two.

    Raises:
        RateError, AddressError, WindowError, DtypeError: see `thinned.errors`.
        ShapeError: shapes that do not fit.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> thinned.jax.drop_connect(jnp.ones((2, 4)), jnp.ones((3, 4)), 0.5, seed=0)
        Array([[6., 8., 4.],
               [4., 2., 0.]], dtype=float32)

    References:
        Wan, Zeiler, Zhang, LeCun, Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013,
        https://proceedings.mlr.press/v28/wan13.html. We differ: rescaling at training time.
    """
    x, weight = checked(x), checked(weight)
    if x.ndim < 2 or weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"expected x with axes (batch, ..., in) and weight (out, in); got {x.shape} and {weight.shape}."
        )
    address = {"seed": seed, "site": site, "step": step, "draw": draw}
    return for_each(x, weight, rate, address, lambda row, own: row @ own.T, window)


def for_each(
    x: Array,
    weight: Array,
    rate: Any,
    address: dict[str, Any],
    product: Callable[[Array, Array], Array],
    window: Window | None = None,
) -> Array:
    """`product` of each example and weights of its own, one after the other."""
    numbers = jnp.arange(x.shape[0])
    # Of no examples, too, the loop's body is traced.
    whole: Any = (max(x.shape[0], 1), *weight.shape)
    if window is not None:
        (count, *_), (start, *_) = window
        whole = (count, *weight.shape)
        numbers = jnp.asarray(start) if np.ndim(start) else numbers + start

    @jax.checkpoint  # else a loop would keep every copy for its backward pass
    def one(number: Array, row: Array) -> Array:
        own = dropout(weight[None], rate, window=(whole, (number, 0, 0)), **address)[0]
        return product(row, own)

    found: Array = lax.map(lambda pair: one(*pair), (numbers, x))
    return found
