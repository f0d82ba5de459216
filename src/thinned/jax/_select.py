"""Masks that select rather than scale: the old state or the new, a key or none, heads by their number."""

from typing import SupportsFloat

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from thinned.jax._law import checked
from thinned.jax._plain import precision
from thinned.jax._raw import keep
from thinned.jax._ticket import Coordinate
from thinned.mask.sharing import Share, Window
from thinned.methods.attention_dropout import HEADS, WITHIN_HEAD, check_heads, head_factor


def zoneout(
    new: ArrayLike,
    old: ArrayLike,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Array:
    """Each element of `new`, or with probability `rate` that of `old`: zoneout of one step of a recurrent network.

        h = k new + (1 - k) old,   k = mask.keep(new.shape, rate, seed=..., ...)

    It selects: what is not taken may be NaN. Nothing is scaled; in evaluation the mean takes its place. Args and
    errors are those of `dropout`, with `new`, what the cell computed, and `old`, the state of the step before, like
    it.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> thinned.jax.zoneout(jnp.ones(8), -jnp.ones(8), 0.5, seed=0, site="fc1")
        Array([-1., -1.,  1., -1., -1.,  1.,  1.,  1.], dtype=float32)

    References:
        Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations", 2017,
        https://arxiv.org/abs/1606.01305.
    """
    new = checked(new)
    kept = keep(new.shape, rate, seed=seed, site=site, step=step, draw=draw, share=share, window=window)
    return jnp.where(kept, new, old)


def drop_key(
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
    """Hide each key from each query with probability `rate`: the logit becomes -inf. A query never loses all.

        y = x where k else -inf,   k = mask.keep(x.shape, rate, seed=..., ...)

    **A row whose every allowed key would be dropped is left as it is**; a key is allowed if its logit is not -inf
    already. So a softmax of `y` is finite where that of `x` is. Masks that Flax adds are large and finite, and such
    a key counts as allowed: make it -inf first, with `jnp.where(mask, x, -jnp.inf)`, as
    `thinned.flax.DotProductAttention` does. Args and errors are those of `dropout`, of logits with axes (*batch,
    query, key).

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> thinned.jax.drop_key(jnp.zeros((2, 4)), 0.5, seed=0, site="fc1")
        Array([[-inf, -inf,   0., -inf],
               [-inf,   0.,   0.,   0.]], dtype=float32)

    References:
        Li et al., "DropKey for Vision Transformer", 2023, https://arxiv.org/abs/2208.02646. We differ: it adds
        -1e12 and lets a query lose all its keys, whose weights then are those of no dropping or NaN.
    """
    x = checked(x)
    if 0 in x.shape[-1:]:
        return x
    hidden = ~keep(x.shape, rate, seed=seed, site=site, step=step, draw=draw, share=share, window=window)
    left = jnp.where(hidden, -jnp.inf, lax.stop_gradient(x)).max(-1, keepdims=True)
    return jnp.where(hidden & (left != -jnp.inf), -jnp.inf, x).astype(x.dtype)


def drop_head(
    x: ArrayLike,
    rate: SupportsFloat | Array,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    window: Window | None = None,
) -> Array:
    """Zero whole heads of attention weights with probability `rate`; scale each sample's others by heads / kept.

        y = x k n / s,   k for each head of each sample;  s of its n heads are kept

    A sample whose heads are all dropped becomes 0. Args and errors are those of `dropout`, of weights with axes
    (*batch, head, query, key); fewer axes are a ShareError.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> thinned.jax.drop_head(jnp.ones((2, 4, 1, 1)), 0.5, seed=0, site="fc1").reshape(2, 4)
        Array([[0.       , 0.       , 4.       , 0.       ],
               [0.       , 1.3333334, 1.3333334, 1.3333334]], dtype=float32)

    References:
        Zhou et al., "Scheduled DropHead: A Regularization Method for Transformer Models", 2020,
        https://arxiv.org/abs/2004.13342.
    """
    x = checked(x)
    check_heads(x.ndim)
    kept = keep(x.shape, rate, seed=seed, site=site, step=step, draw=draw, share=WITHIN_HEAD, window=window)
    exact = precision(x.dtype)
    factor = head_factor(x.shape[HEADS], kept.sum(HEADS, keepdims=True).astype(exact))
    return jnp.where(kept, x.astype(exact) * factor, 0).astype(x.dtype)
