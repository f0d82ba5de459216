"""Batchwise dropout: one thinned network for a whole batch, or one for each of a few groups of its samples."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from thinned.errors import ShareError
from thinned.mask.sharing import Window
from thinned.methods.batch import Batch
from thinned.methods.dropout import moments
from thinned.methods.entry import Entry, Paper, Row
from thinned.methods.plain import plain


class Stretch(NamedTuple):
    """Consecutive rows of an array that are thinned alike: rows `first` to `end - 1` are of `group`."""

    group: int
    first: int
    end: int


def check_groups(groups: Any) -> int:
    """How many thinned networks a batch has.

    Raises:
        ShareError: not a whole number of at least 1.

    Example:
        >>> check_groups(0)
        Traceback (most recent call last):
        thinned.errors.ShareError: expected groups=, how many thinned networks a batch has, as a whole number of ...
    """
    groups = plain(groups)
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 1:
        raise ShareError(
            "expected groups=, how many thinned networks a batch has, as a whole number of at least 1; got "
            f"{groups!r}."
        )
    return groups


def check_axis(axis: Any) -> int:
    """Where the units are.

    Raises:
        ShareError: no whole number.

    Example:
        >>> check_axis(-1)
        -1
    """
    axis = plain(axis)
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise ShareError(f"expected axis=, where the units are, as a whole number; got {axis!r}.")
    return axis


def place(
    shape: Sequence[Any], groups: int = 1, *, axis: int = 1, batch: Batch | None = None, xp: Any = np
) -> tuple[tuple[int, ...], Window | None]:
    """Share and window of the draws: the logical mask has the units, and G where the batch was.

    Row r of a global batch of B rows is of group `floor(r G / B)`: contiguous groups, as equal as B allows.

    Args:
        shape: of the activations; sizes may be traced.
        groups: G, how many thinned networks the global batch has.
        axis: where the units are: features, or channels, whose positions share a draw.
        batch: `(axis, B, start)` of the rows in the global batch; None: axis 0 is the whole of it.
        xp: the module whose `arange` makes the rows' groups, where there is more than one.

    Raises:
        ShareError: no such axis, or the axis of the batch.

    Example:
        >>> place((256, 512))
        ((0,), None)
        >>> place((4, 8, 5, 5), groups=2)
        ((2, 3), ((2, 8, 5, 5), (array([0, 0, 1, 1]), 0, 0, 0)))
    """
    rows_axis, size, start = (0, None, 0) if batch is None else batch
    ndim = len(shape)
    if not (-ndim <= axis < ndim and -ndim <= rows_axis < ndim) or (axis - rows_axis) % ndim == 0:
        raise ShareError(
            f"expected activations with their batch on axis {rows_axis} and their units on another, axis {axis}; "
            f"got shape {tuple(shape)}. Say where the units are: axis=-1 where they come last."
        )
    axis, rows_axis = axis % ndim, rows_axis % ndim
    if groups == 1:
        # No window: a draw that the whole batch shares is the same on every rank.
        return tuple(each for each in range(ndim) if each != axis), None
    share = tuple(each for each in range(ndim) if each not in {axis, rows_axis})
    sizes, index = list(shape), [0] * ndim
    rows = shape[rows_axis]
    sizes[rows_axis] = groups
    index[rows_axis] = (xp.arange(rows) + start) * groups // (rows if size is None else size)
    return share, (tuple(sizes), tuple(index))


def stretches(rows: int, groups: int, batch: Batch | None = None) -> Iterator[Stretch]:
    """The same rows, group by group; groups that have no row here are left out.

    Args:
        rows: how many there are.
        groups: G.
        batch: where they lie in the global batch.

    Example:
        >>> [tuple(each) for each in stretches(4, 4, (0, 8, 3))]
        [(1, 0, 1), (2, 1, 3), (3, 3, 4)]
    """
    _, size, start = (0, rows, 0) if batch is None else batch
    for group in range(groups):
        first, end = (max(0, min(rows, -(-each * size // groups) - start)) for each in (group, group + 1))
        if first < end:
            yield Stretch(group, first, end)


ENTRY = Entry(
    name="BatchDropout",
    row=Row(
        "activations", "Bernoulli(rate)", sharing="batch, or each of G groups", correction="inverted scale"
    ),
    paper=Paper(
        "Graham, Reizenstein, Robinson",
        "Efficient batchwise dropout training using submatrices",
        2015,
        "https://arxiv.org/abs/1502.02478",
    ),
    layers=(
        "torch.BatchDropout",
        "flax.BatchDropout",
        "flax.linen.BatchDropout",
        "keras.layers.BatchDropout",
    ),
    example="0.5, groups=2",
    cost="one pass over memory; with thinned.torch.compact less than no dropout, where layers are wide",
    moments=moments,
)
