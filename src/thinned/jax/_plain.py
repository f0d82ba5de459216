"""What the laws do with their draws, in XLA's own operations; for one lane each."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from thinned.jax._draws import CUT, draws
from thinned.jax._place import Place
from thinned.jax._ticket import LEVEL
from thinned.mask.rate import LEVELS
from thinned.methods.law import MULTIPLY, SELECT, UNIFORM, Law


def thin(x: Array, ticket: Array, *data: Array, place: Place, program: str = CUT) -> Array:
    """`y = k x s`."""
    exact = precision(x.dtype)
    level = ticket[LEVEL]
    keep = halves(ticket, data, place, program) >= level
    # The division is rounded once, so float32 gives the float64 quotient's nearest: both numbers are exact in it.
    share = jnp.where(level < LEVELS, LEVELS - level, 1).astype(exact)
    scale = jnp.where(level < LEVELS, exact(LEVELS) / share, exact(0))
    return jnp.where(keep, x.astype(exact) * scale, exact(0)).astype(x.dtype)


def law(
    x: Array, ticket: Array, numbers: Array, *data: Array, place: Place, law: Law, program: str = CUT
) -> Array:
    """What `thinned.methods.law` says of any other law; `numbers` has its a, b and c in the first row."""
    draw, combine = law.kind
    exact = precision(x.dtype)
    a, b, c = numbers[0].astype(exact)
    found, value = draws(draw, ticket, data, place, program), x.astype(exact)
    level = ticket[LEVEL]
    if combine == SELECT:
        return jnp.where(found >= level, value * a + b, c).astype(x.dtype)
    drawn = found.astype(exact)
    if draw == UNIFORM:
        drawn = (2 * drawn + 1 - LEVELS) / LEVELS
    factor = b + a * drawn
    if combine == MULTIPLY:  # at rate 1 nothing is left, not even of a NaN
        return jnp.where(level < LEVELS, value * factor, exact(0)).astype(x.dtype)
    return jnp.where(a == 0, value, value + factor).astype(x.dtype)


def halves(ticket: Array, data: Any, place: Place, program: str = CUT) -> Array:
    """The half-word of every position."""
    return draws(UNIFORM, ticket, data, place, program)


def precision(dtype: Any) -> Any:
    """What is computed in for arrays of a dtype."""
    return jnp.float64 if dtype == jnp.float64 else jnp.float32
