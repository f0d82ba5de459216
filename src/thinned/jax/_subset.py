"""Random subsets of tokens at an address."""

from typing import Any, SupportsFloat

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from thinned.errors import BindError
from thinned.jax._law import checked
from thinned.jax._raw import words
from thinned.jax._ticket import Coordinate
from thinned.methods.patch_dropout import check_prefix, count, mask_shape


def patch_dropout(
    x: ArrayLike,
    rate: SupportsFloat,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    num_prefix_tokens: int = 1,
    ordered: bool = False,
    rows: tuple[int, Any] | None = None,
) -> tuple[Array, Array]:
    """Take a share `rate` of each sample's tokens out of the computation: the output has fewer.

        y = x[b, S_b],   S_b a random subset of floor(tokens (1 - rate)) tokens, at least one

    The subset is that of `thinned.methods.patch_dropout.subset`: the law's whole words are drawn for the tokens
    behind the prefix, and the smallest stay. How many stay is a shape, and so known while a program is traced: the
    rate is a number, and no array.

    Args:
        x: float array, axes (sample, token, *rest).
        rate: share of tokens that leaves, 0 <= rate < 1.
        seed: the run, as in `dropout`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        num_prefix_tokens: how many first tokens, such as the class token, stay in any case.
        ordered: keep the tokens in their order; else they come in the order of their draws.
        rows: `(samples in all, index)`: where these samples lie in the global batch, a start or an array.

    Returns:
        The tokens, and the indices of those that stay behind the prefix, counted without it: int32, axes (sample,
        kept).

    Raises:
        RateError: a rate outside [0, 1), or NaN.
        ShareError: no token behind the prefix.
        BindError: a rate that is an array.
        AddressError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> y, indices = thinned.jax.patch_dropout(jnp.ones((2, 1 + 16, 8)), 0.75, seed=0)
        >>> y.shape, indices.shape
        ((2, 5, 8), (2, 4))

    References:
        Liu, Matsoukas, Strand, Azizpour, Smith, "PatchDropout: Economizing Vision Transformers Using Patch
        Dropout", 2023, https://arxiv.org/abs/2208.07220.
    """
    x = checked(x)
    if isinstance(rate, Array):
        raise BindError(
            "expected a rate as a number, since it decides how many tokens stay, which is a shape; got an array. A "
            "schedule of the step has no place here: set layer.rate between compilations."
        )
    shape = mask_shape(x.shape, check_prefix(num_prefix_tokens))
    kept = count(shape[1], float(rate))
    window = None if rows is None else ((rows[0], shape[1]), (rows[1], 0))
    drawn = words(shape, (seed, site, step, draw), window)
    places = lax.broadcasted_iota(jnp.int32, shape, 1)
    # Stable: of equal words the first token stays.
    indices = lax.sort((drawn, places), dimension=1, is_stable=True, num_keys=1)[1][:, :kept]
    indices = jnp.sort(indices, axis=1) if ordered else indices
    first = lax.broadcasted_iota(jnp.int32, (shape[0], num_prefix_tokens), 1)
    chosen = jnp.concatenate([first, indices + num_prefix_tokens], axis=1)
    return jnp.take_along_axis(x, chosen.reshape(*chosen.shape, *(1,) * (x.ndim - 2)), axis=1), indices
