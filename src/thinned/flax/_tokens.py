"""Patch dropout for NNX and Linen: fewer tokens in training."""

from typing import Any, Unpack

import jax.numpy as jnp

import thinned.jax
from thinned.errors import RateError
from thinned.flax import _drawing as of_nnx
from thinned.flax import _linen as of_linen
from thinned.flax._drawing import Common
from thinned.flax._kinds import At, Kind
from thinned.methods.patch_dropout import check_prefix, check_share, mask_shape
from thinned.methods.schedule import Schedule


class Tokens(Kind):
    """Random subsets of tokens."""

    num_prefix_tokens: int
    ordered: bool
    return_indices: bool

    def mask_shapes(self, x: Any) -> list[tuple[str, tuple[int, ...]]]:
        return [("", mask_shape(jnp.shape(x), self.num_prefix_tokens))]

    def undrawn(self, x: Any) -> Any:
        return (x, None) if self.return_indices else x

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        prefix = check_prefix(self.num_prefix_tokens)
        y, indices = thinned.jax.patch_dropout(
            x, rate, num_prefix_tokens=prefix, ordered=self.ordered, **at()
        )
        return (y, indices) if self.return_indices else y


def constant_share(rate: Any) -> Any:
    """A share of tokens that leaves, which is no schedule.

    Raises:
        RateError: a schedule, or outside [0, 1).
    """
    if isinstance(rate, Schedule):
        raise RateError(
            f"expected a number, since it decides how many tokens stay, and XLA compiles for shapes; got {rate}. "
            "Set layer.rate between compilations."
        )
    check_share(rate)
    return rate


class PatchDropout(of_nnx.Drawing, Tokens):
    """Take a share `rate` of each sample's tokens out of the computation: the output has fewer.

        y = x[b, S_b],   S_b a random subset of floor(tokens (1 - rate)) tokens, at least one

    The subset of a sample is a function of its address and its place in the batch; the law's whole words are drawn
    for the tokens behind the prefix, and the smallest stay. How many stay is known when a program is traced.

    Args:
        rate: share of tokens that leaves, 0 <= rate < 1; may be set later.
        num_prefix_tokens: how many first tokens, such as the class token, stay in any case.
        ordered: keep the tokens in their order; else they come in the order of their draws.
        return_indices: return `(y, indices)`; indices are those of the tokens behind the prefix, counted without
            it, axes (sample, kept), and None where nothing is dropped.
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        RateError: `rate` outside [0, 1), or a schedule, of which no compiled program could follow the shape.
        ShareError: a prefix that is no number of tokens; an input that is not (batch, token, *rest), or has no
            token behind the prefix.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> thinned.flax.PatchDropout(0.75, rngs=nnx.Rngs(0))(jnp.ones((2, 1 + 16, 8))).shape
        (2, 5, 8)

    References:
        Liu, Matsoukas, Strand, Azizpour, Smith, "PatchDropout: Economizing Vision Transformers Using Patch
        Dropout", 2023, https://arxiv.org/abs/2208.07220.
    """

    def __init__(
        self,
        rate: float = 0.5,
        *,
        num_prefix_tokens: int = 1,
        ordered: bool = False,
        return_indices: bool = False,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        self.rate = constant_share(rate)
        self.num_prefix_tokens = check_prefix(num_prefix_tokens)
        self.ordered, self.return_indices = ordered, return_indices


class LinenPatchDropout(Tokens, of_linen.Drawing):
    """Take a share `rate` of each sample's tokens out of the computation: see `thinned.flax.PatchDropout`.

    Attributes:
        rate: share of tokens that leaves, 0 <= rate < 1.
        num_prefix_tokens: how many first tokens stay in any case.
        ordered: keep the tokens in their order.
        return_indices: return `(y, indices)`.

    The others are those of `Dropout`.

    References:
        Liu et al., "PatchDropout: Economizing Vision Transformers Using Patch Dropout", 2023,
        https://arxiv.org/abs/2208.07220.
    """

    rate: float = 0.5
    num_prefix_tokens: int = 1
    ordered: bool = False
    return_indices: bool = False

    def __post_init__(self) -> None:
        constant_share(self.rate)
        super().__post_init__()


LinenPatchDropout.__name__ = LinenPatchDropout.__qualname__ = "PatchDropout"
