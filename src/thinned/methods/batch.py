"""Where the local rows of a batch lie in the global one, as `bind(model, seed, batch=...)` takes it."""

import operator
from collections.abc import Sequence
from typing import Any

from thinned.errors import BindError
from thinned.mask.sharing import Window

Batch = tuple[int, int, int]
"""`(axis, global_size, start)`."""


def as_batch(batch: Any) -> Batch | None:
    """What a user gave as `batch`, as plain integers.

    Raises:
        BindError: not three integers, nor None.

    Example:
        >>> as_batch([0, 64, 32])
        (0, 64, 32)
        >>> as_batch((0, 64))
        Traceback (most recent call last):
        thinned.errors.BindError: expected batch=(axis, global_size, start), three integers; got (0, 64).
    """
    if batch is None:
        return None
    try:
        axis, size, start = map(operator.index, batch)
    except (TypeError, ValueError):
        raise BindError(
            f"expected batch=(axis, global_size, start), three integers; got {batch!r}."
        ) from None
    return axis, size, start


def batch_window(shape: Sequence[Any], batch: Batch | None) -> Window | None:
    """The window of an array whose batch axis is part of a larger one.

    Args:
        shape: of the array; sizes may be traced.
        batch: where its rows lie; None where the array is the whole.

    Raises:
        BindError: the array has no such axis.

    Example:
        >>> batch_window((32, 256), (0, 128, 64))
        ((128, 256), (64, 0))
    """
    if batch is None:
        return None
    axis, size, start = batch
    if not -len(shape) <= axis < len(shape):
        raise BindError(
            f"expected activations with a batch axis {axis}, as bind(batch={batch}) says; got shape "
            f"{tuple(shape)}."
        )
    sizes, index = list(shape), [0] * len(shape)
    sizes[axis], index[axis] = size, start
    return tuple(sizes), tuple(index)
