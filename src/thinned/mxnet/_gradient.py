"""Dropout on MXNet's tape: the gradient is the same draw, and the tape keeps its address and no array."""

import ctypes
from typing import Any

from mxnet import autograd
from mxnet.base import _LIB, check_call

from thinned.kernels.execute import Coordinates
from thinned.mask.plan import Plan
from thinned.mxnet._callbacks import Callbacks, FunctionBackward, Table, guarded, run
from thinned.mxnet._memory import Array, check, data, free, thin

_table = Table()


def drop(x: Array, how: Plan, address: Coordinates) -> Array:
    """`y = k x s`, recorded where MXNet records."""
    y = thin(x, how, address)
    if autograd.is_recording():
        _record(x, y, how, address)
    return y


def _record(x: Array, y: Array, how: Plan, address: Coordinates) -> None:
    entry: list[Any] = [check(x), x.size, how, address]
    number = _table.keep(entry)
    calls, numbers = _callbacks.listed(number)
    entry.extend((calls, numbers))  # MXNet reads them until it deletes the number
    handles = ctypes.c_void_p * 1
    check_call(_LIB.MXCustomFunctionRecord(1, handles(x.handle), 1, handles(y.handle), ctypes.byref(calls)))


def _backward(gradients: int, results: int, pointers: Any, requests: Any, _: int, number: int) -> None:
    try:
        dtype, size, how, address, *_ = _table[number]
        run(requests[0], data(pointers[1]), data(pointers[0]), dtype, size, how, address)
    finally:
        free(pointers, gradients + results)


_callbacks = Callbacks(
    FunctionBackward(guarded("thinned.mxnet's backward pass", _backward)),
    _table.deleter(),
)
