"""Eager tensors in the processor's memory, through the CPU kernels."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from thinned.kernels import blocks, laws
from thinned.kernels.execute import DROP, Memory, thin
from thinned.kernels.pool import default_threads
from thinned.mask.rate import LEVELS
from thinned.mask.sharing import Share, Window
from thinned.methods import dropout
from thinned.methods.drop_block import BlockPlan
from thinned.methods.law import THIN, Law, plan
from thinned.tensorflow._address import Coordinates, Tensor


def reaches(x: Tensor) -> bool:
    """Whether a tensor has values now, in memory that the kernel can read."""
    return not tf.is_symbolic_tensor(x) and "CPU" in x.backing_device


def empty(shape: Sequence[int], dtype: Any) -> Tensor:
    """A fresh tensor: nobody else's until it is returned, the only time at which one may be written to."""
    # Of an array TensorFlow makes its shape in a quarter of the time that it takes for a list.
    return tf.raw_ops.Empty(shape=np.array(shape, np.int32), dtype=dtype, init=False)


def law(x: Tensor, law: Law, amount: int, at: Coordinates, share: Share, window: Window | None) -> Tensor:
    """What a law says of `x`, in a fresh tensor."""
    shape, y = tuple(x.shape.as_list()), empty(x.shape.as_list(), x.dtype)
    if law is THIN:
        how = dropout.plan(shape, amount / LEVELS, share, window)
        thin(DROP, _memory(x), _memory(y), how, _plain(at), threads=_threads())
        return y
    return _written(x, y, law, amount, at, share, window)


def drawn(
    result: Tensor, law: Law, amount: int, at: Coordinates, share: Share, window: Window | None
) -> Tensor:
    """Fill a fresh tensor, whose axes are 1 where they are shared, with what a law says that only writes."""
    return _written(result, result, law, amount, at, share, window)


def _written(
    x: Tensor, y: Tensor, law: Law, amount: int, at: Coordinates, share: Share, window: Window | None
) -> Tensor:
    source, target = _memory(x), _memory(y)
    how = plan(tuple(x.shape.as_list()), law, amount, share, window)
    laws.run(
        target.dtype, source.address, target.address, how, _plain(at), threads=_threads(),
        owners=(source, target),
    )  # fmt: skip
    return y


def drop_block(x: Tensor, how: BlockPlan, at: Coordinates) -> Tensor:
    """A plan of blocks at an address, in a fresh tensor."""
    y = empty(x.shape.as_list(), x.dtype)
    blocks.drop_block(_memory(x), _memory(y), how, _plain(at), threads=_threads())
    return y


def _plain(at: Coordinates) -> tuple[int, int, int, int]:
    return at.seed, at.site, at.step, at.draw


def _threads() -> int:
    return _intra_op_threads() or default_threads()


@cache
def _intra_op_threads() -> int:
    """As TensorFlow was told. It refuses another number once there is a tensor, and asking takes it long."""
    return int(tf.config.threading.get_intra_op_parallelism_threads())


def _memory(x: Tensor) -> Memory:
    # A view: nothing is copied. NumPy makes no array of a bfloat16 without axes.
    values: Any = np.asarray(x if x.shape.rank else tf.reshape(x, [1]))
    return Memory(x.dtype.name, values.__array_interface__["data"][0], values.size, (x, values))
