"""The law's draws themselves, as arrays: masks, uniforms and normals at an address."""

from collections.abc import Sequence
from functools import partial
from typing import Any, SupportsFloat

import jax
import jax.numpy as jnp
from jax import Array

from thinned.jax._draws import draws
from thinned.jax._place import Place, place
from thinned.jax._ticket import LEVEL, Coordinate, ticket
from thinned.mask.rate import LEVELS
from thinned.mask.sharing import Share, Window
from thinned.methods.law import HALF, NORMAL, UNIFORM, WORD


def keep(
    shape: Sequence[int],
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """The mask of `thinned.mask.keep` as an array: True where `dropout` keeps an element.

    Args and errors are those of `dropout`.

    Returns:
        bool array with `shape`, and 1 on shared axes.

    Example:
        >>> import thinned.jax
        >>> thinned.jax.keep((4,), 0.5, seed=0, site="fc1")
        Array([False, False,  True, False], dtype=bool)
    """
    where, data = place(shape, share, window)
    found: Array = _drawn(ticket(rate, (seed, site, step, draw)), *data, where=where, draw=HALF)
    return found


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
    found: Array = _drawn(ticket(0, (seed, site, step, draw)), *data, where=where, draw=UNIFORM)
    return found


def normal(
    shape: Sequence[int],
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """The draws of `thinned.mask.normal`, of mean 0 and variance 1, within 2^-20 of their radius.

    Args and errors are those of `dropout`.

    Returns:
        float32 array with `shape`, and 1 on shared axes.

    Example:
        >>> import thinned.jax
        >>> y = thinned.jax.normal((3,), seed=0)
        >>> [round(value, 4) for value in y.tolist()]
        [0.9911, -0.9247, -0.6176]
    """
    where, data = place(shape, share, window, wide=True)
    found: Array = _drawn(ticket(0, (seed, site, step, draw)), *data, where=where, draw=NORMAL)
    return found


def words(shape: Sequence[int], address: Sequence[Coordinate], window: Window | None = None) -> Array:
    """The law's whole words, one for each element, as uint32."""
    where, data = place(shape, (), window, wide=True)
    found: Array = _drawn(ticket(0, address), *data, where=where, draw=WORD)
    return found


@partial(jax.jit, static_argnames=("where", "draw"))
def _drawn(at: Any, *data: Any, where: Place, draw: int) -> Array:
    if 0 in where.mask_shape:
        return jnp.zeros(where.mask_shape, {HALF: jnp.bool_, WORD: jnp.uint32}.get(draw, jnp.float32))
    found = draws(draw, at, data, where)
    if draw == HALF:
        return jnp.asarray(found >= at[LEVEL])
    return found if draw in {NORMAL, WORD} else (found.astype(jnp.float32) + 0.5) / LEVELS
