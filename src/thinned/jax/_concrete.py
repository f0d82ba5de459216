"""Concrete dropout of arrays at an address: a relaxed mask, through which gradients flow to the rate."""

from typing import Any, SupportsFloat

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from thinned.errors import RateError
from thinned.jax._law import checked
from thinned.jax._plain import precision
from thinned.jax._raw import uniform
from thinned.jax._ticket import Coordinate
from thinned.mask.sharing import Share, Window
from thinned.methods.concrete_dropout import check_positive, factor, logit_of


def concrete_dropout(
    x: ArrayLike,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
    temperature: float = 0.1,
) -> Array:
    """Multiply by a relaxed dropout mask, whose rate has a gradient.

        y = x (1 - z) / (1 - p),   z = sigmoid((log(p / (1 - p)) + log((1 - u) / u)) / t)

    `u = mask.uniform(x.shape, seed=..., ...)`, `p` is the rate and `t` the temperature. For the backward pass the
    input, the rate and the address are kept, and the draws are made again. Factors are computed in float32, or in
    float64 of such arrays; PyTorch's in float64 always.

    Args:
        x: float array of any shape.
        rate: probability of dropping, 0 < rate < 1; or an array of one number, through which a gradient flows.
        seed: the run, as in `dropout`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: where `x` is part of a larger array.
        temperature: how soft the mask is, above 0.

    Raises:
        RateError: a rate that is not between 0 and 1, or a temperature that is no finite number above 0.
        AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import jax, jax.numpy as jnp, thinned.jax
        >>> def total(rate):
        ...     return thinned.jax.concrete_dropout(jnp.ones(4), rate, seed=0, site="fc1").sum()
        >>> [round(float(value), 3) for value in jax.value_and_grad(total)(jnp.array(0.5))]
        [1.983, 0.268]

    References:
        Gal, Hron, Kendall, "Concrete Dropout", 2017, https://arxiv.org/abs/1705.07832. We differ: `u` stands for
        their `1 - u`, so that the mask becomes that of `dropout` as the temperature falls.
    """
    check_positive("a temperature", temperature)
    if isinstance(rate, Array):
        if rate.shape or not jnp.issubdtype(rate.dtype, jnp.floating):
            raise RateError(
                f"expected a rate as one number or a floating-point array of one; got a {rate.dtype} array of "
                f"shape {rate.shape}."
            )
        logit = jnp.log(rate) - jnp.log1p(-rate)
    else:
        logit = jnp.asarray(logit_of(rate))
    return relaxed(x, logit, temperature, (seed, site, step, draw), share, window)


def relaxed(
    x: ArrayLike,
    logit: Array,
    temperature: float,
    address: tuple[Any, Any, Any, Any],
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """`concrete_dropout` for the rate's logit, its address in one piece."""
    x = checked(x)
    seed, site, step, draw = address

    @jax.checkpoint  # the draws are made again
    def run(x: Array, logit: Array) -> Array:
        exact = precision(x.dtype)
        u = uniform(x.shape, seed=seed, site=site, step=step, draw=draw, share=share, window=window)
        noise = jnp.log1p(-u.astype(exact)) - jnp.log(u.astype(exact))
        factors = factor(logit.astype(exact), noise, temperature, jax.nn.sigmoid)
        y: Array = (x.astype(exact) * factors).astype(x.dtype)
        return y

    found: Array = run(x, logit)
    return found
