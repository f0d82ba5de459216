"""Addresses as data: a small uint32 array, so that no step, seed or rate compiles anything anew."""

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thinned.errors import AddressError, RateError
from thinned.jax._mesh import stacked
from thinned.mask.address import coordinate, seed64, site_id
from thinned.mask.rate import LEVELS, threshold

Coordinate: TypeAlias = SupportsIndex | str | Array

KEY0, KEY1, SITE, STEP, DRAW, LEVEL = range(6)
"""The places of a ticket's words; the last one is the threshold. Only DropBlock has one more."""

_LOW = 0xFFFFFFFF
_RANDOM_KEY = "a seed from a key is jax.random.bits(key, (2,), 'uint32')"


def ticket(rate: Any, address: Sequence[Coordinate]) -> Any:
    """The uint32 array (key, key, site, step, draw, threshold) of a draw; NumPy's where nothing is traced.

    Raises:
        AddressError: a coordinate outside its width, or an array that is not one integer.
        RateError: a constant rate that no threshold stands for, or an array that is not one number.
    """
    return packed([*coordinates(address), level(rate)])


def coordinates(address: Sequence[Coordinate]) -> list[Any]:
    """The first five words: (key, key, site, step, draw)."""
    seed, site, step, draw = address
    return [*_seed(seed), _word("site", site), _word("step", step), _word("draw", draw)]


def packed(fields: Sequence[Any]) -> Any:
    """Words as one uint32 array."""
    if any(isinstance(field, Array) for field in fields):
        return stacked(fields)
    return np.array(fields, np.uint32)


def level(rate: Any) -> int | Array:
    """The threshold of a rate; a traced one is clamped, NaN as 1, and rounded half to even."""
    if not isinstance(rate, Array):
        return threshold(rate)
    value = number("a rate", rate)
    value = value.astype(jnp.float64 if value.dtype == jnp.float64 else jnp.float32)
    return jnp.round(jnp.clip(jnp.nan_to_num(value, nan=1.0), 0, 1) * LEVELS).astype(jnp.uint32)


def number(what: str, value: Array) -> Array:
    """A traced rate, or size, through which no gradient flows.

    Raises:
        RateError: not one number.
    """
    if value.shape or not (_is(value, jnp.floating) or _is(value, jnp.integer)):
        raise RateError(
            f"expected {what} as one number or an array of one; got a {value.dtype} array of shape "
            f"{value.shape}. To draw for many, use jax.vmap."
        )
    return jnp.asarray(jax.lax.stop_gradient(value))


def _seed(seed: Any) -> tuple[Any, Any]:
    """The key's two words, low first."""
    if getattr(seed, "shape", None) == (2,) and seed.dtype == np.uint32:
        return seed[0], seed[1]
    if not isinstance(seed, Array):
        if getattr(seed, "shape", ()) != ():
            raise AddressError(
                _not_one("seed", seed) + " As two words it is uint32 of shape (2,), low first."
            )
        key = seed64(seed)
        return key & _LOW, key >> 32
    _check("seed", seed)
    low = seed.astype(jnp.uint32)
    if seed.dtype.itemsize == 8:
        return low, (seed >> 32).astype(jnp.uint32)
    # A negative number of any width is its two's complement in 64 bits.
    return low, jnp.where(seed < 0, jnp.uint32(_LOW), jnp.uint32(0))


def _word(name: str, value: Any) -> int | Array:
    if not isinstance(value, Array):
        if getattr(value, "shape", ()) != ():
            raise AddressError(_not_one(name, value))
        return site_id(value) if name == "site" else coordinate(name, value)
    _check(name, value)
    word = value.astype(jnp.uint32)  # wraps
    return word & 0xFFFF if name == "draw" else word


def _check(name: str, value: Array) -> None:
    if _is(value, jax.dtypes.prng_key):
        raise AddressError(f"expected {name} as an integer; got a key of JAX's generator. {_hint(name)}")
    if value.shape or not _is(value, jnp.integer):
        raise AddressError(_not_one(name, value))


def _hint(name: str) -> str:
    if name == "seed":
        return f"An address needs no key: pass the run's number, and step=...; {_RANDOM_KEY}."
    return "Pass the number itself."


def _not_one(name: str, value: Any) -> str:
    return (
        f"expected {name} as an integer or an array of one integer; got a {value.dtype} array of shape "
        f"{tuple(value.shape)}. To draw for many, use jax.vmap."
    )


def _is(value: Array, kind: Any) -> bool:
    return bool(jnp.issubdtype(value.dtype, kind))
