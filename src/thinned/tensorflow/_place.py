"""Where a tensor lies in its logical mask, when shapes and windows may be known only at run time."""

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from thinned.errors import ShareError, WindowError
from thinned.mask.sharing import Share, Window, layout, shared_axes
from thinned.tensorflow._address import Tensor

Size = int | Tensor
"""An integer where it is known while tracing, else an int64 scalar."""

Read = tuple[list[Size], list[Any]]
"""A window that `read` has read."""


class Place(NamedTuple):
    """A local mask as rows of consecutive elements of the logical one.

    Args:
        shape: of the local mask, 1 on shared axes: integers and int64 scalars, or a 1-D tensor.
        bases: the element that the only row begins with; or an int64 tensor of one for each row.
        run: how many elements a row has.
    """

    shape: Sequence[Size] | Tensor
    bases: Size
    run: Size


def read(window: Window | None) -> Read | None:
    """A window whose tensors are int64 and whose variables are read; in eager mode all is plain.

    Raises:
        WindowError: it is not two sequences, or a tensor in it has not integers.
    """
    if window is None:
        return None
    try:
        sizes, index = (list(tf.unstack(part) if tf.is_tensor(part) else part) for part in window)
        whole = [size if tf.is_tensor(size) else operator.index(size) for size in sizes]
    except (TypeError, ValueError):
        layout((), (), window)  # says what is expected
        raise
    return [_entry(axis, size) for axis, size in enumerate(whole)], [
        _entry(axis, given) for axis, given in enumerate(index)
    ]


def _entry(axis: int, given: Any) -> Any:
    if not tf.is_tensor(given):
        return given
    tensor = tf.convert_to_tensor(given)
    if not tensor.dtype.is_integer or tensor.shape.rank not in {0, 1}:
        raise WindowError(
            f"expected integers in the window on axis {axis}, one or one for each position; got a "
            f"{tensor.dtype.name} tensor of shape {tensor.shape}."
        )
    return np.asarray(tensor) if tf.executing_eagerly() else _wide(tensor)


def place(x: Tensor, share: Share, window: Read | None, *, wide: bool = False) -> Place:
    """Place a tensor in its logical mask, in which an element may have a whole word.

    Raises:
        ShareError, WindowError: what is known while tracing does not fit.
    """
    if x.shape.rank is None:
        return _of_unknown_rank(x, share, window)
    return place_of(sizes_of(x), share, window, wide=wide)


def place_of(sizes: list[Size], share: Share, window: Read | None, *, wide: bool = False) -> Place:
    """The same for a tensor of these sizes."""
    rank = len(sizes)
    if window is None:
        shared = shared_axes(rank, share)
        shape = [1 if axis in shared else size for axis, size in enumerate(sizes)]
        return Place(shape, 0, _product(shape))
    whole, index = window
    if not len(whole) == len(index) == rank:
        layout([0] * rank, share, ([0] * len(whole), [0] * len(index)))  # says what is expected
    known = layout(*_known(sizes, share, whole, index), wide=wide)
    shared = known.shared
    return _rows(
        [1 if axis in shared else size for axis, size in enumerate(sizes)],
        [1 if axis in shared else size for axis, size in enumerate(whole)],
        [0 if axis in shared else _plain(given) for axis, given in enumerate(index)],
    )


def _of_unknown_rank(x: Tensor, share: Share, window: Read | None) -> Place:
    for name, given, error in (
        ("share", share != (), ShareError),
        ("window", window is not None, WindowError),
    ):
        if given:
            raise error(
                f"expected a tensor of known rank with {name}=...; got one of unknown rank. Fix it with "
                "tf.ensure_shape."
            )
    return Place(tf.shape(x, tf.int64), 0, tf.size(x, tf.int64))


def _rows(shape: list[Size], whole: list[Size], index: list[Any]) -> Place:
    """Fold a window: the longest stretch of consecutive elements at the end becomes the run."""
    strides = [_product(whole[axis + 1 :]) for axis in range(len(whole))]
    outer = len(shape)
    bases: Size = 0
    run: Size = 1
    inside_whole = True
    while outer and inside_whole and not _is_ids(index[outer - 1]):
        outer -= 1
        bases = bases + index[outer] * strides[outer]
        run = run * shape[outer]
        inside_whole = _is_same(shape[outer], whole[outer])
    for axis in range(outer):
        ids = index[axis] if _is_ids(index[axis]) else index[axis] + tf.range(_wide(shape[axis]))
        bases = bases + _wide(tf.reshape(ids, [-1] + [1] * (outer - 1 - axis))) * strides[axis]
    return Place(shape, tf.reshape(bases, [-1]) if outer else bases, run)


def _known(
    sizes: list[Size], share: Share, whole: list[Size], index: list[Any]
) -> tuple[list[int], Share, tuple[list[int], list[Any]]]:
    """What `layout` can check of a window: on each axis, unknown parts are replaced by such as fit."""
    axes = [_known_axis(*axis) for axis in zip(range(len(sizes)), sizes, whole, index, strict=True)]
    local, globally, starts = (list(part) for part in zip(*axes, strict=True)) if axes else ([], [], [])
    return local, share, (globally, starts)


def _known_axis(axis: int, size: Size, whole: Size, index: Any) -> tuple[int, int, Any]:
    traced, ids = tf.is_tensor(index), _is_ids(index)
    if traced and ids and isinstance(size, int) and index.shape[0] not in {None, size}:
        raise WindowError(
            f"expected one global index for each of the {size} positions on axis {axis}; got a tensor of shape "
            f"{index.shape}."
        )
    if not isinstance(whole, int) or (traced and ids):
        return 0, 0, 0
    if traced:
        return size if isinstance(size, int) else 0, whole, 0
    if isinstance(size, int):
        return size, whole, index
    return len(index) if ids else 0, whole, index


def _is_ids(index: Any) -> bool:
    return bool(index.shape.rank if tf.is_tensor(index) else np.ndim(index))


def _is_same(size: Size, whole: Size) -> bool:
    return isinstance(size, int) and isinstance(whole, int) and size == whole


def _plain(index: Any) -> Any:
    if tf.is_tensor(index):
        return index
    return np.asarray(index, np.int64) if _is_ids(index) else int(index)


def sizes_of(x: Tensor) -> list[Size]:
    """The sizes of a tensor of known rank: integers where they are known, else scalars."""
    known: list[Size] = x.shape.as_list()
    if None not in known:
        return known
    traced = tf.shape(x, tf.int64)
    return [traced[axis] if size is None else size for axis, size in enumerate(known)]


def _product(sizes: Sequence[Size]) -> Size:
    product: Size = 1
    for size in sizes:
        product = product * size
    return product


def _wide(value: Any) -> Tensor:
    return tf.cast(value, tf.int64)
