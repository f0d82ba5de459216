"""What MXNet calls back, and how: C functions made once, told apart by a number that MXNet hands them.

`mx.operator` and `mx.autograd.Function` make new C functions for every call, which costs more than dropping a
hundred thousand elements. These are made when this file is imported; what a call is about stands in a table.
"""

import ctypes
import sys
import traceback
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, c_int, c_void_p
from itertools import count
from typing import Any

import numpy as np
from mxnet.base import MXCallbackList

from thinned.kernels.execute import Coordinates
from thinned.mask.plan import Plan
from thinned.mxnet._memory import thin_into

NULL, WRITE, INPLACE, ADD = range(4)
"""What MXNet asks a callback to do with its result."""

Compute = CFUNCTYPE(c_int, c_int, POINTER(c_void_p), POINTER(c_int), POINTER(c_int), c_int, c_void_p)
FunctionBackward = CFUNCTYPE(c_int, c_int, c_int, POINTER(c_void_p), POINTER(c_int), c_int, c_void_p)
Delete = CFUNCTYPE(c_int, c_void_p)

_numbers = count(1)


class Table(dict[int, Any]):
    """What callbacks are about, by the number that stands for it until MXNet deletes it."""

    def keep(self, value: Any) -> int:
        """Store under a new number."""
        number = next(_numbers)
        self[number] = value
        return number

    def deleter(self) -> Any:
        """The C function that MXNet calls when it needs a number no more."""
        return Delete(lambda number: bool(self.pop(number, None)) or True)


def guarded(what: str, function: Callable[..., None]) -> Callable[..., int]:
    """An exception may not cross into C: it is printed, as MXNet's own callbacks do, and reported as failure."""

    def call(*arguments: Any) -> int:
        try:
            function(*arguments)
        except Exception:
            print(f"Error in {what}: {traceback.format_exc()}", file=sys.stderr)
            return 0
        return 1

    return call


class Callbacks:
    """C functions as MXNet takes a list of them."""

    def __init__(self, *functions: Any) -> None:
        self._functions = functions
        self._plain = CFUNCTYPE(c_int)
        self._array = (self._plain * len(functions))(
            *(ctypes.cast(function, self._plain) for function in functions)
        )

    def listed(self, number: int, into: Any = None) -> tuple[Any, Any]:
        """The list, each function called with `number`; and what must live as long as it."""
        count = len(self._functions)
        numbers = (c_void_p * count)(*([number] * count))
        into = MXCallbackList() if into is None else into
        into.num_callbacks = count
        into.callbacks = ctypes.cast(self._array, POINTER(self._plain))
        into.contexts = ctypes.cast(numbers, POINTER(c_void_p))
        return into, numbers


def run(
    request: int, result: int, source: int, dtype: str, size: int, how: Plan, address: Coordinates
) -> None:
    """Compute `k x s` from memory to memory, as MXNet asks for it."""
    if request == NULL or not size:
        return
    if request != ADD:
        thin_into(result, source, dtype, size, how, address)
        return
    # A gradient that is added to one which is there (grad_req="add").
    item = {"float32": 4, "float64": 8, "float16": 2}[dtype]
    fresh = (ctypes.c_char * (size * item))()
    thin_into(ctypes.addressof(fresh), source, dtype, size, how, address)
    add(result, fresh, dtype)


def add(result: int, values: Any, dtype: str) -> None:
    """Add values to those in memory, in place."""
    there: Any = (ctypes.c_char * len(values)).from_address(result)
    total = np.frombuffer(there, dtype)
    total += np.frombuffer(values, dtype)
