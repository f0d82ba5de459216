"""Whole branches and layers that are run in some steps, and in the others cost nothing."""

from collections.abc import Callable, Sequence
from typing import Any, SupportsFloat

import jax
import jax.numpy as jnp
from jax import Array, lax

from thinned.jax._law import checked
from thinned.jax._raw import keep
from thinned.jax._ticket import Coordinate, level
from thinned.mask.rate import LEVELS, scale


def stochastic_depth(
    branch: Callable[[Array], Array],
    x: Array,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
) -> Array:
    """A residual branch that is left out, for the whole batch, with probability `rate`.

        y = x + k branch(x) / (1 - T / 65536),   k = mask.keep((1,), rate, seed=..., ...)

    A dropped branch **is not run**: its step costs nothing, eager and compiled (`jax.lax.cond`), forward and
    backward. What the branch closes over has gradients of zero then. Under `jax.vmap` with an address for each lane
    XLA runs it and selects.

    Args:
        branch: a pure function of `x` that returns an array like it.
        x: float array.
        rate: probability of dropping, as in `dropout`.
        seed: the run, as in `dropout`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.

    Raises:
        RateError, AddressError, DtypeError: see `thinned.errors`.
        ValueError: a branch whose result has another shape.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> branch = lambda x: 10 * x
        >>> [float(thinned.jax.stochastic_depth(branch, jnp.ones(()), 0.5, seed=0, step=step)) for step in range(4)]
        [21.0, 1.0, 21.0, 1.0]

    References:
        Huang, Sun, Liu, Sedra, Weinberger, "Deep Networks with Stochastic Depth", 2016,
        https://arxiv.org/abs/1603.09382. We differ: rescaling at training time rather than at test time.
    """
    x = checked(x)
    kept, factor = decided(1, rate, (seed, site, step, draw))

    def run(x: Array) -> Array:
        return added(x, branch(x), factor)

    if is_known(kept):
        return run(x) if bool(kept[0]) else x
    found: Array = lax.cond(kept[0], run, lambda x: x, x)
    return found


def decided(count: int, rate: Any, address: Sequence[Coordinate]) -> tuple[Array, Any]:
    """Which of so many layers run, and what a kept branch is multiplied by."""
    seed, site, step, draw = address
    kept = keep((count,), rate, seed=seed, site=site, step=step, draw=draw)
    threshold = level(rate)
    if isinstance(threshold, int):
        return kept, scale(threshold)
    left = (LEVELS - threshold).astype(jnp.float32)
    return kept, jnp.where(left > 0, LEVELS / jnp.maximum(left, 1), 0)


def is_known(kept: Array) -> bool:
    """Whether Python can know what is dropped."""
    return not isinstance(kept, jax.core.Tracer)


def added(shortcut: Array, branch: Any, factor: Any) -> Array:
    """The shortcut and a branch on its scale, in the shortcut's type.

    Raises:
        ValueError: two shapes.
    """
    if jnp.shape(branch) != jnp.shape(shortcut):
        raise ValueError(
            f"expected a branch that returns an array like the shortcut's, of shape {jnp.shape(shortcut)}; got "
            f"{jnp.shape(branch)}."
        )
    found: Array = shortcut + (branch * factor).astype(shortcut.dtype)
    return found
