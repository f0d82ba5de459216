"""MXNet's arrays as the CPU kernel takes them: where they lie in memory, without a copy."""

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from mxnet.base import _LIB, NDArrayHandle, check_call
from mxnet.context import current_context
from mxnet.ndarray import NDArray, array, empty
from mxnet.ndarray.ndarray import _DTYPE_NP_TO_MX

import thinned.kernels.execute as kernels
from thinned.errors import DtypeError
from thinned.kernels.execute import DROP, Coordinates, Memory, own_threads
from thinned.mask.plan import Plan
from thinned.methods.dropout import plan

Array: TypeAlias = Any
"""An `mx.nd.NDArray`, or an `mx.np.ndarray`, which is one too."""

planned = lru_cache(maxsize=4096, typed=True)(plan)
"""`methods.dropout.plan` for hashable arguments; a training loop asks for the same few plans again and again."""

CODES = {_DTYPE_NP_TO_MX[key]: key for key in _DTYPE_NP_TO_MX if key is not None}
"""MXNet's numbers of dtypes."""

_STORED = {"float32": "float32", "float64": "float64", "float16": "float16"}


def check(x: Array) -> str:
    """The dtype of an array that the kernel can drop from.

    Raises:
        DtypeError: no array of MXNet's, not one of float32, float64, float16, or not dense in the CPU's memory.
    """
    if not isinstance(x, NDArray):
        raise DtypeError(
            f"expected an mx.nd.NDArray or an mx.np.ndarray; got {type(x).__name__}; make one with mx.nd.array(x)."
        )
    where = x.context.device_type
    if not where.startswith("cpu"):
        raise DtypeError(
            f"expected an array in the CPU's memory; got one on {x.context}. MXNet's dropout runs on the CPU "
            "here: move it with x.as_in_context(mx.cpu())."
        )
    if x.stype != "default":
        raise DtypeError(f"expected a dense array; got storage {x.stype!r}; use x.tostype('default').")
    name: str = x.dtype.__name__ if isinstance(x.dtype, type) else str(x.dtype)
    if name not in _STORED:
        raise DtypeError(
            f"expected an array of float32, float64 or float16; got {name} of shape {x.shape}; "
            "convert it with x.astype('float32')."
        )
    return name


def thin(x: Array, how: Plan, address: Coordinates) -> Array:
    """`y = k x s` in a fresh array of the same kind.

    The engine's work on `x` is waited for; what it is asked to do afterwards finds `y` written.
    """
    dtype = check(x)
    y = empty(x.shape, x.context, x.dtype)
    if type(x) is not NDArray:
        y = y.as_np_ndarray()
    x.wait_to_read()
    thin_into(data(y.handle.value), data(x.handle.value), dtype, x.size, how, address, (x, y))
    return y


def thin_into(
    y: int, x: int, dtype: str, size: int, how: Plan, address: Coordinates, owner: object = None
) -> None:
    """The kernel on addresses of memory."""
    kernels.thin(
        DROP, Memory(dtype, x, size, owner), Memory(dtype, y, size, owner), how, address,
        threads=own_threads(size),
    )  # fmt: skip


def data(handle: int) -> int:
    """Where an array's values begin, row-major, whatever layout a convolution had left them in."""
    found = ctypes.c_void_p()
    check_call(_LIB.MXNDArrayGetData(NDArrayHandle(handle), ctypes.byref(found)))
    return found.value or 0


def integers(values: Sequence[int], ctx: Any = None) -> Array:
    """A fresh int64 array; ten times faster than `mx.nd.array`, which waits for a copy by the engine."""
    ctx = ctx or current_context()
    if not ctx.device_type.startswith("cpu"):
        return array(values, ctx, "int64")
    found = empty((len(values),), ctx, "int64")
    (ctypes.c_int64 * len(values)).from_address(data(found.handle.value))[:] = [*values]
    return found


def free(pointers: Any, count: int) -> None:
    """Give back the handles that a callback was given."""
    for i in range(count):
        check_call(_LIB.MXNDArrayFree(NDArrayHandle(pointers[i])))
