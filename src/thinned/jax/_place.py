"""Where an array lies in its logical mask, when parts of that are known only as the program runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, export

from thinned.errors import WindowError
from thinned.jax import _wide
from thinned.jax._wide import Wide
from thinned.mask.sharing import Share, Window, layout

WHOLE, START, IDS = "whole", "start", "ids"


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of a layout when a program is traced; the rest, starts and indices, is data.

    Args:
        shape: of the array.
        logical_shape: of the logical mask, 1 on shared axes.
        shared: its shared axes.
        kinds: for each axis, whether it is the whole one, has a start, or an array of global indices.
    """

    shape: tuple[int, ...]
    logical_shape: tuple[int, ...]
    shared: tuple[int, ...]
    kinds: tuple[str, ...]

    @property
    def mask_shape(self) -> tuple[int, ...]:
        """The local mask: the array's shape with 1 on shared axes."""
        return tuple(1 if axis in self.shared else size for axis, size in enumerate(self.shape))

    @property
    def is_narrow(self) -> bool:
        """Whether 32 bits hold every element's index."""
        return math.prod(self.logical_shape) <= 1 << 32

    def stride(self, axis: int) -> int:
        """Row-major, in elements of the logical mask."""
        return math.prod(self.logical_shape[axis + 1 :])

    def behind(self, size: int) -> "Place":
        """The same for an array with one more axis in front, of this size, along which the mask is shared."""
        shared = (0, *(axis + 1 for axis in self.shared))
        return Place((size, *self.shape), (1, *self.logical_shape), shared, (WHOLE, *self.kinds))


def place(
    shape: Sequence[int], share: Share, window: Window | None, *, wide: bool = False
) -> tuple[Place, tuple[Any, ...]]:
    """A place, and its data: for each axis with a start two words, with indices two words for each.

    Raises:
        ShareError, WindowError: as `thinned.mask.sharing.layout`, for what is known now.
    """
    if any(export.is_symbolic_dim(size) for size in shape):
        raise WindowError(
            f"expected a shape of integers; got {tuple(shape)}, whose sizes are symbolic. A mask needs each "
            "element's place: export the function once for each shape."
        )
    if window is None or not any(isinstance(index, Array) for index in _entries(window)):
        where = layout(shape, share, window, wide=wide)
        index: tuple[Any, ...] = where.index
    else:
        sizes, entries = window
        index = tuple(entries)
        known = [_stand_in(axis, at, shape) for axis, at in enumerate(index)]
        where = layout(shape, share, (sizes, known), wide=wide)
        index = tuple(
            at if isinstance(at, Array) else found for at, found in zip(index, where.index, strict=True)
        )
    kinds, data = [], []
    for axis, at in enumerate(index):
        if axis in where.shared or (isinstance(at, int) and at == 0):
            kinds.append(WHOLE)
        else:
            kinds.append(IDS if getattr(at, "ndim", 0) else START)
            data.append(_wide.words(at))
    return Place(where.shape, where.logical_shape, where.shared, tuple(kinds)), tuple(data)


def _entries(window: Any) -> Sequence[Any]:
    """The window's indices, if it has the form of one; what is wrong with it is said by `layout`."""
    try:
        _, index = window
        return tuple(index)
    except (TypeError, ValueError):
        return ()


def _stand_in(axis: int, at: Any, shape: Sequence[int]) -> Any:
    """What `layout` can check in place of a traced start or index."""
    if not isinstance(at, Array):
        return at
    if not jnp.issubdtype(at.dtype, jnp.integer):
        raise WindowError(
            f"expected integers as the window's index on axis {axis}; got a {at.dtype} array of shape {at.shape}."
        )
    return np.zeros(at.shape, np.int64) if at.ndim else 0


@dataclass(frozen=True, slots=True)
class Rows:
    """A place as it is computed: `count` rows of `run` consecutive elements, over the leading `axes`.

    Args:
        axes: how many leading axes number the rows.
        run: elements in a row.
        inner: positions of the array, behind the row's axes, that share each element.
        aligned: whether every row is known to begin with a block.
    """

    axes: int
    run: int
    inner: int
    aligned: bool


def rows(where: Place, lanes: int = 8) -> Rows:
    """The longest stretch of consecutive mask elements becomes the run; see `thinned.mask.sharing.rows`."""
    axis, run = len(where.shape), 1
    while axis and where.mask_shape[axis - 1] == 1 == where.logical_shape[axis - 1]:
        axis -= 1
    last, inner = axis, math.prod(where.shape[axis:])
    while axis and where.kinds[axis - 1] != IDS and where.stride(axis - 1) == run:
        if axis - 1 in where.shared:
            break
        axis -= 1
        run *= where.shape[axis]
    begins = [where.stride(a) for a in range(axis) if where.mask_shape[a] > 1 or where.kinds[a] != WHOLE]
    begins += [where.stride(a) for a in range(axis, last) if where.kinds[a] == START]
    return Rows(axis, run, inner, all(stride % lanes == 0 for stride in begins))


def bases(where: Place, data: Sequence[Array], folded: Rows) -> Wide:
    """The element that each row begins with; axes (row,)."""
    first = _sum(where, data, range(folded.axes), where.mask_shape[: folded.axes], positions=True)
    rest = _sum(where, data, range(folded.axes, len(where.shape)), (), positions=False)
    return _wide.reshape(_wide.add(first, rest), (-1,))


def elements(where: Place, data: Sequence[Array]) -> Wide:
    """The element of every position; the shape of the mask."""
    return _sum(where, data, range(len(where.shape)), where.mask_shape, positions=True)


def blocks(where: Place, data: Sequence[Array], lanes: int = 8) -> Wide | None:
    """The blocks of every position, where the last axis of the mask consists of whole ones; else None.

    Their shape is the mask's without shared axes behind, and with one for `lanes` elements of its last axis.
    """
    last = max((axis for axis, size in enumerate(where.logical_shape) if size > 1), default=None)
    if (
        last is None
        or where.kinds[last] != WHOLE
        or where.shape[last] % lanes
        or where.logical_shape[last] % lanes
    ):
        return None
    shape = where.mask_shape[:last]
    before = _sum(where, data, range(last), shape, positions=True)
    here = _wide.times(_wide.iota(where.shape[last] // lanes), lanes, narrow=where.is_narrow)
    return _wide.block_of(_wide.add(_wide.reshape(before, (*shape, 1)), here), lanes)


def _sum(
    where: Place, data: Sequence[Array], axes: range, shape: tuple[int, ...], *, positions: bool
) -> Wide:
    """What some axes add to the element: their starts, and their positions too where asked for."""
    total = _wide.zeros(shape)
    parts = iter(data)
    for axis, kind in enumerate(where.kinds):
        given = None if kind == WHOLE else _wide.of_words(next(parts))
        if axis not in axes or axis in where.shared:
            continue
        at = _wide.zeros(()) if given is None else given
        if kind != IDS and positions:
            at = _wide.add(_wide.iota(where.shape[axis]), at)
        if kind == WHOLE and not positions:
            continue
        if positions:
            at = _wide.reshape(at, (-1,) + (1,) * (len(shape) - axis - 1))
        total = _wide.add(total, _wide.times(at, where.stride(axis), narrow=where.is_narrow))
    return total
