"""Any law of `thinned.methods` on arrays: what an amount means, in numbers that may be traced."""

from collections.abc import Sequence
from typing import Any, SupportsFloat

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thinned.errors import DtypeError
from thinned.jax._place import place
from thinned.jax._plain import precision
from thinned.jax._primitive import thin
from thinned.jax._ticket import Coordinate, coordinates, level, number, packed
from thinned.mask.rate import LEVELS
from thinned.mask.sharing import Share, Window
from thinned.methods.law import EVERYTHING, NORMAL, THIN, WORD, Law

_DTYPES = ("float32", "float64", "bfloat16", "float16")


def apply(
    x: ArrayLike,
    law: Law,
    value: SupportsFloat | Array,
    address: Sequence[Coordinate],
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """A law on an array.

    Args:
        x: float array of any shape.
        law: what is drawn and done.
        value: what the law's amount stands for: a rate, or a standard deviation; or an array of one number.
        address: seed, site, step, draw.
        share: axes along which one draw is shared.
        window: where `x` is part of a larger array.
    """
    x = checked(x)
    where, data = place(x.shape, share, window, wide=law.kind[0] in {WORD, NORMAL})
    if law is THIN:
        return thin(x, packed([*coordinates(address), level(value)]), data, where)
    threshold, numbers = _settled(law, value, precision(x.dtype))
    at = packed([*coordinates(address), threshold])
    return x if numbers is None else thin(x, at, (numbers, *data), where, law)


def checked(x: ArrayLike) -> Array:
    """As an array.

    Raises:
        DtypeError: no array, no floats, or of 8 bits.
    """
    try:
        x = jnp.asarray(x)
    except (TypeError, ValueError) as error:
        raise DtypeError(
            f"expected an array to drop from; got {type(x).__name__}. Give it as one, jnp.asarray(x); of a tree, "
            "call jax.tree.map."
        ) from error
    if x.dtype.name not in _DTYPES:
        raise DtypeError(
            f"expected an array of float32, float64, bfloat16 or float16; got {x.dtype} of shape {x.shape}; "
            "convert it with x.astype(jnp.float32)."
        )
    return x


def _settled(law: Law, value: Any, exact: Any) -> tuple[Any, Any]:
    """Threshold, and a, b, c of a law and, in a second row, of its gradient's; None for what changes no bit."""
    laws = [law] if law.gradient in (law, None) else [law, law.gradient]
    if not isinstance(value, Array):
        amount = law.amount(value)
        settings = [each.setting(amount) for each in laws if each is not None]
        rows = None if settings[0] is EVERYTHING else np.array([each[3:] for each in settings], exact)
        return (0 if law.measure == "size" else amount), rows
    if law.measure == "size":
        at: Any = 0
        amount_of: Any = number("a standard deviation", value).astype(exact)
    else:
        at = level(value)
        amount_of = jnp.minimum(at, LEVELS - 1).astype(exact) / LEVELS
    traced = jnp.stack([_row(each, amount_of) for each in laws])
    return at, jnp.where(at < LEVELS, traced, 0)  # at rate 1 nothing is left


def _row(law: Any, amount: Array) -> Array:
    # `full_like` and no constants: under an explicit mesh all parts of a stack must be divided alike.
    a, b, c = (jnp.full_like(amount, each) for each in law.factors(amount, jnp))
    return jnp.stack([a, jnp.where(b == 0, -0.0, b), c])
