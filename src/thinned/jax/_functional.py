"""Dropout of arrays at an address: pure functions."""

from collections.abc import Sequence
from functools import partial
from typing import Any, SupportsFloat

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from thinned.errors import DtypeError
from thinned.jax import _plain
from thinned.jax._place import Place, place
from thinned.jax._primitive import thin
from thinned.jax._ticket import Coordinate, ticket
from thinned.mask.rate import LEVELS
from thinned.mask.sharing import Share, Window

_DTYPES = ("float32", "float64", "bfloat16", "float16")


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
    x = jnp.asarray(x)
    if x.dtype.name not in _DTYPES:
        raise DtypeError(
            f"expected an array of float32, float64, bfloat16 or float16; got {x.dtype} of shape {x.shape}; "
            "convert it with x.astype(jnp.float32)."
        )
    where, data = place(x.shape, share, window)
    return thin(x, ticket(rate, (seed, site, step, draw)), data, where)


def uniform(
    shape: Sequence[int],
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """The uniform draws behind the mask, in (0, 1): `uniform(...) > quantise(rate)` is what dropout keeps.

        uniform = (h + 0.5) / 65536

    Args and errors are those of `dropout`.

    Returns:
        float32 array with `shape`, and 1 on shared axes.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> u = thinned.jax.uniform((8,), seed=0, site="fc1")
        >>> jnp.where(u > 0.5, 1 / (1 - 0.5), 0)
        Array([0., 0., 2., 0., 0., 2., 2., 2.], dtype=float32, weak_type=True)
    """
    where, data = place(shape, share, window)
    found: Array = _uniform(ticket(0, (seed, site, step, draw)), *data, where=where)
    return found


@partial(jax.jit, static_argnames="where")
def _uniform(at: Any, *data: Any, where: Place) -> Array:
    if 0 in where.mask_shape:
        return jnp.zeros(where.mask_shape, jnp.float32)
    return (_plain.half_words(at, data, where).astype(jnp.float32) + 0.5) / LEVELS
