"""Which element of the logical mask each element of an array reads: sharing, windows, rows."""

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from thinned.errors import ShareError, WindowError
from thinned.mask.address import ELEMENT_LIMIT, WIDE_ELEMENT_LIMIT

I64 = npt.NDArray[np.int64]
Share: TypeAlias = SupportsIndex | Iterable[SupportsIndex]
Window: TypeAlias = tuple[Sequence[SupportsIndex], Sequence[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where an array lies in its logical mask.

    The logical mask is global: before any sharding, and after sharing, so a shared axis has size 1 in it.
    An element's index is its row-major position there.

    Args:
        shape: of the array, its local axes.
        logical_shape: of the logical mask.
        index: for each axis a start, or an array of global indices; 0 on shared axes.
    """

    shape: tuple[int, ...]
    shared: tuple[int, ...]
    logical_shape: tuple[int, ...]
    index: tuple[int | I64, ...]

    @property
    def mask_shape(self) -> tuple[int, ...]:
        """The local mask: the array's shape with 1 on shared axes."""
        return tuple(1 if axis in self.shared else size for axis, size in enumerate(self.shape))

    def elements(self) -> I64:
        """The element index of every position of the local mask, with `mask_shape`."""
        return _sum_of_axes(self, range(len(self.shape)), self.mask_shape)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A layout as kernels walk it: a C-contiguous array of `len(bases)` rows of `run * inner` elements.

    Array element `(row * run + i) * inner + k` reads mask element `bases[row] + i`, for every `k < inner`.
    `address` is that of the first base in memory.
    """

    bases: I64
    run: int
    inner: int
    address: int


def layout(
    shape: Sequence[int], share: Share = (), window: Window | None = None, *, wide: bool = False
) -> Layout:
    """Place an array of `shape` in its logical mask.

    Args:
        shape: of the array.
        share: axes along which one draw is shared; negative ones count from the end.
        window: `(global_shape, index)` where the array is part of a larger one; `index` holds, for each
            axis, a start or a 1-D array of global indices. Both are ignored on shared axes.
        wide: each element takes a whole word, so the mask may have 2^50 elements and not 2^51.

    Raises:
        ShareError: an axis that is not there, or twice.
        WindowError: a window that does not lie in its global shape, or a mask with too many elements.

    Example:
        >>> layout((2, 3), window=((4, 3), (2, 0))).elements().tolist()
        [[6, 7, 8], [9, 10, 11]]
        >>> layout((2, 3), share=0).elements().tolist()
        [[0, 1, 2]]
    """
    limit = WIDE_ELEMENT_LIMIT if wide else ELEMENT_LIMIT
    local = tuple(map(operator.index, shape))
    if window is None:
        return _checked(_unwindowed(local, _axes(share)), limit)
    shared = shared_axes(len(local), share)
    try:
        global_shape, index = window
        sizes = tuple(operator.index(size) for size in global_shape)
        starts = tuple(index)
    except (TypeError, ValueError):
        raise WindowError(
            f"expected window=(global_shape, index), two sequences with one entry an axis; got {window!r}."
        ) from None
    if not len(sizes) == len(starts) == len(local):
        raise WindowError(
            f"expected one global size and one index for each of the array's {len(local)} axes; "
            f"got {len(sizes)} sizes and {len(starts)} indices."
        )
    parsed = tuple(
        0 if axis in shared else _axis_index(axis, local[axis], sizes[axis], starts[axis])
        for axis in range(len(local))
    )
    logical = tuple(1 if axis in shared else size for axis, size in enumerate(sizes))
    return _checked(Layout(local, shared, logical, parsed), limit)


def shared_axes(ndim: int, share: Share) -> tuple[int, ...]:
    """`share` as ascending axes in [0, ndim).

    Raises:
        ShareError: an axis that is not there, or twice.

    Example:
        >>> shared_axes(4, (-1, -2))
        (2, 3)
    """
    axes = _axes(share)
    for axis in axes:
        if not -ndim <= axis < ndim:
            raise ShareError(f"expected shared axes of an array with {ndim} axes; got axis {axis} in {axes}.")
    found = sorted(axis % ndim for axis in axes)
    if len(set(found)) != len(found):
        raise ShareError(f"expected each shared axis once; got {axes} for an array with {ndim} axes.")
    return tuple(found)


def rows(where: Layout) -> Rows:
    """Fold a layout into rows: the longest stretch of consecutive mask elements becomes the run.

    Example:
        >>> found = rows(layout((2, 3, 4, 4), share=(2, 3)))
        >>> found.bases.tolist(), found.run, found.inner
        ([0], 6, 16)
    """
    strides = _strides(where.logical_shape)
    axis = len(where.shape)
    inner = run = 1
    while axis and (axis - 1 in where.shared or where.shape[axis - 1] == 1 == where.logical_shape[axis - 1]):
        axis -= 1
        inner *= where.shape[axis]
    first = 0
    while axis:
        index = where.index[axis - 1]
        if axis - 1 in where.shared or not isinstance(index, int) or strides[axis - 1] != run:
            break
        axis -= 1
        first += index * run
        run *= where.shape[axis]
    bases = _sum_of_axes(where, range(axis), where.shape[:axis]).reshape(-1)
    bases = np.ascontiguousarray(bases + first)
    return Rows(bases, run, inner, bases.__array_interface__["data"][0])


@lru_cache(maxsize=4096)
def _unwindowed(shape: tuple[int, ...], share: tuple[int, ...]) -> Layout:
    shared = shared_axes(len(shape), share)
    logical = tuple(1 if axis in shared else size for axis, size in enumerate(shape))
    return Layout(shape, shared, logical, (0,) * len(shape))


def _checked(where: Layout, limit: int) -> Layout:
    if math.prod(where.logical_shape) > limit:
        raise WindowError(
            f"expected a logical mask of at most 2^{limit.bit_length() - 1} elements; "
            f"got {math.prod(where.logical_shape)} in shape {where.logical_shape}."
        )
    return where


def _axes(share: Share) -> tuple[int, ...]:
    try:
        if isinstance(share, Iterable):
            return tuple(operator.index(axis) for axis in share)
        return (operator.index(share),)
    except TypeError:
        raise ShareError(f"expected shared axes as integers; got {share!r}.") from None


def _axis_index(axis: int, size: int, global_size: int, index: Any) -> int | I64:
    """One axis of a window: a start, or the global index of each local position."""
    found = np.asarray(index)
    if found.dtype.kind not in "iu" and found.size:
        raise WindowError(f"expected integers as the window's index on axis {axis}; got {index!r}.")
    if found.ndim == 0:
        start = int(found)
        if not 0 <= start <= global_size - size:
            raise WindowError(
                f"expected the window on axis {axis} to lie in its global size {global_size}; "
                f"got start {start} and {size} local elements."
            )
        return start
    if found.shape != (size,):
        raise WindowError(
            f"expected one global index for each of the {size} positions on axis {axis}; "
            f"got an array of shape {found.shape}."
        )
    if size and (int(found.min()) < 0 or int(found.max()) >= global_size):
        raise WindowError(
            f"expected global indices in [0, {global_size}) on axis {axis}; "
            f"got values from {found.min()} to {found.max()}."
        )
    indices: I64 = found.astype(np.int64)
    if size and np.array_equal(indices, np.arange(indices[0], indices[0] + size)):
        return int(indices[0])
    return indices


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides, in elements."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def _sum_of_axes(where: Layout, axes: Iterable[int], shape: tuple[int, ...]) -> I64:
    """Over some leading axes, the sum of what each adds to the element index."""
    strides = _strides(where.logical_shape)
    total: I64 = np.zeros(shape, np.int64)
    for axis in axes:
        if axis in where.shared:
            continue
        index = where.index[axis]
        ids = np.arange(index, index + where.shape[axis]) if isinstance(index, int) else index
        total += (ids * strides[axis]).reshape((-1,) + (1,) * (len(shape) - axis - 1))
    return total
