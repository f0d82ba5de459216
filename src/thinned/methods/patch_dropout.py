"""Patch dropout: some tokens of each sample leave the computation."""

import math
from collections.abc import Sequence
from typing import Any, SupportsFloat

import numpy as np

from thinned.errors import RateError, ShareError
from thinned.mask.address import Address
from thinned.mask.philox import U32, philox4x32
from thinned.mask.rate import threshold
from thinned.mask.sharing import I64, layout
from thinned.mask.truth import words
from thinned.methods.entry import Entry, Paper, Row
from thinned.methods.plain import plain


def count(tokens: int, rate: float) -> int:
    """How many of a sample's tokens stay: `floor(tokens (1 - rate))`, and one at least.

    Args:
        tokens: that may leave, without the prefix.
        rate: share of them that leaves, in [0, 1).

    Raises:
        RateError: a rate outside [0, 1), or NaN.

    Example:
        >>> count(196, 0.5), count(100, 0.9), count(3, 0.9)
        (98, 10, 1)
    """
    check_share(rate)
    # Rounded first: 100 * (1 - 0.9) is a little less than 10.
    return min(tokens, max(1, math.floor(round(tokens * (1 - rate), 6))))


def check_share(rate: SupportsFloat) -> None:
    """Refuse a share that would leave no token.

    Raises:
        RateError: outside [0, 1), or NaN.
    """
    threshold(rate)
    if float(rate) == 1:
        raise RateError(
            "expected a rate in [0, 1), the share of tokens that leave; got 1, which leaves none."
        )


def check_prefix(tokens: Any) -> int:
    """How many first tokens stay in any case.

    Raises:
        ShareError: no whole number from 0 on.

    Example:
        >>> check_prefix(-1)
        Traceback (most recent call last):
        thinned.errors.ShareError: expected num_prefix_tokens, how many first tokens stay, as a whole number ...
    """
    tokens = plain(tokens)
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0:
        raise ShareError(
            "expected num_prefix_tokens, how many first tokens stay, as a whole number from 0 on; got "
            f"{tokens!r}."
        )
    return tokens


def mask_shape(shape: Sequence[Any], prefix: int) -> tuple[Any, Any]:
    """Samples and tokens of the logical mask, from the shape of an input (sample, token, *rest).

    Args:
        shape: sizes, or None where one is not known.
        prefix: how many first tokens stay in any case.

    Raises:
        ShareError: fewer axes, or no token behind the prefix.

    Example:
        >>> mask_shape((8, 197, 768), 1)
        (8, 196)
    """
    if len(shape) < 2 or (shape[1] is not None and shape[1] <= prefix):
        raise ShareError(
            f"expected axes (batch, token, *rest) with more than num_prefix_tokens={prefix} tokens; got shape "
            f"{tuple(shape)}."
        )
    return shape[0], None if shape[1] is None else shape[1] - prefix


def subset(
    shape: tuple[int, int],
    kept: int,
    address: tuple[int, int, int, int],
    rows: tuple[int, Any] | None = None,
    *,
    ordered: bool = False,
) -> I64:
    """Which tokens of each sample stay: those with the smallest words, of equal ones the first.

    Every subset of that size is as likely as any other, but for equal words among 2^32. The logical mask is of the
    wide variant (SPEC, section 6), with axes (sample, token).

    Args:
        shape: samples and tokens.
        kept: how many tokens of each stay.
        address: seed, site, step, draw, as integers that are checked.
        rows: `(samples in all, index)`: where these samples lie in the global batch, a start or an array.
        ordered: sort them by their place; else they come in the order of their words.

    Returns:
        int64 array, axes (sample, kept).

    Raises:
        WindowError: samples that do not lie in the global batch.

    Example:
        >>> subset((2, 6), 3, (0, 1, 2, 3), ordered=True).tolist()
        [[0, 1, 5], [1, 4, 5]]
    """
    samples, tokens = shape
    window = None if rows is None else ((rows[0], tokens), (rows[1], 0))
    where = layout(shape, window=window, wide=True)
    found, first = Address(*address), where.index[0]
    if isinstance(first, int):
        drawn = _stretch(first * tokens, samples * tokens, found).reshape(shape)
    else:
        drawn = words(where.elements(), found)
    # A word and its place in one integer: a plain sort then breaks ties by place.
    keys = drawn.astype(np.uint64) << np.uint64(32) | np.arange(tokens, dtype=np.uint64)
    places = np.sort(keys, axis=1)[:, :kept].astype(np.uint32).astype(np.int64)
    return np.sort(places, axis=1) if ordered else places


def _stretch(first: int, size: int, address: Address) -> U32:
    """The words of consecutive elements: a fourth of the Philox calls that `mask.truth.words` makes."""
    blocks = np.arange(first // 4, -(-(first + size) // 4))
    counter = np.empty((len(blocks), 4), np.int64)
    counter[:, 0], counter[:, 1] = blocks & 0xFFFFFFFF, (blocks >> 32) + (address.draw << 16)
    counter[:, 2:] = address.site, address.step
    found = philox4x32(counter.astype(np.uint32), address.key)
    return found.reshape(-1)[first % 4 : first % 4 + size]


ENTRY = Entry(
    name="PatchDropout",
    row=Row("tokens", "uniform subset of a fixed size", sharing="token", correction="none"),
    paper=Paper(
        "Liu, Matsoukas, Strand, Azizpour, Smith",
        "PatchDropout: Economizing Vision Transformers Using Patch Dropout",
        2023,
        "https://arxiv.org/abs/2208.07220",
    ),
    layers=(
        "torch.PatchDropout",
        "flax.PatchDropout",
        "flax.linen.PatchDropout",
        "keras.layers.PatchDropout",
    ),
    note=(
        "in JAX and Keras the rate is a number and no schedule: how many tokens stay is a shape, so each new rate "
        "would be another compilation; set `layer.rate` between them"
    ),
    shape=(8, 17, 16),
    cost="less than none: what follows has fewer tokens; a sort of the tokens of each sample",
)
