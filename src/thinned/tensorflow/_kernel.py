"""Eager tensors in the processor's memory, through the CPU kernel."""

from typing import Any

import numpy as np
import tensorflow as tf

from thinned.kernels.execute import DROP, Memory, thin
from thinned.kernels.pool import default_threads
from thinned.mask.plan import Plan
from thinned.mask.rate import scale
from thinned.mask.sharing import Share, Window, layout
from thinned.tensorflow._address import Coordinates, Tensor


def reaches(x: Tensor) -> bool:
    """Whether a tensor has values now, in memory that the kernel can read."""
    return not tf.is_symbolic_tensor(x) and "CPU" in x.backing_device


def drop(x: Tensor, threshold: int, at: Coordinates, share: Share, window: Window | None) -> Tensor:
    """`y = k x s` into a fresh tensor."""
    how = Plan(layout(x.shape.as_list(), share, window), threshold, scale(threshold))
    # Fresh, and nobody else's until it is returned: the only time at which a tensor may be written to.
    y = tf.raw_ops.Empty(shape=x.shape, dtype=x.dtype, init=False)
    threads = tf.config.threading.get_intra_op_parallelism_threads() or default_threads()
    thin(DROP, _memory(x), _memory(y), how, (at.seed, at.site, at.step, at.draw), threads=threads)
    return y


def _memory(x: Tensor) -> Memory:
    # A view: nothing is copied. NumPy makes no array of a bfloat16 without axes.
    values: Any = np.asarray(x if x.shape.rank else tf.reshape(x, [1]))
    return Memory(x.dtype.name, values.__array_interface__["data"][0], values.size, (x, values))
