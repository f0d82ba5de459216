# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, call-arg, attr-defined, unreachable"
"""The law on the CPU, in Numba: the same bits as `mask.keep`, sixty-four elements at a time.

How it is laid out. Eight Philox calls write their words to memory, which seen as 16-bit halves *are* the half-words
in element order. Sixty-four elements are compared with them, multiplied and stored while the next calls are made,
so that a processor does both at once. These two parts are `vectors`; here is what they are done to. Whatever does
not come in sixty-fours goes by way of spare memory.

Half types travel as integers, since Numba has no float16 on the CPU: bfloat16 as uint16, float16 as int16.
Both are multiplied in float32 and rounded once.

Nothing is kept: forward and backward both come here with an address. Numba keeps the compiled code by the age of
this file alone: touch it when `vectors`, `memory` or `half_types` changes.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, float32, float64, int16, int64, types, uint16, uint64
from numba.core import cgutils
from numba.extending import intrinsic, overload

from thinned.kernels import block as slot
from thinned.kernels.block import ADD, DROP, RELU
from thinned.kernels.half_types import _from_float16, _to_float16, from_float16
from thinned.kernels.jit import njit
from thinned.kernels.memory import pointer, take
from thinned.kernels.vectors import (
    GROUP,
    ahead_add,
    ahead_drop,
    ahead_relu,
    write_add,
    write_calls,
    write_drop,
    write_relu,
    write_relu_gradient,
)

__all__ = ["KERNELS"]

_RELU_GRADIENT = -1
"""What `OP` never says."""

# Spare memory, in bytes: half-words as they are drawn and as they are used, and three groups of any type, twice.
_USED, _VALUES, _FLOATS, _MEMORY = 2 * GROUP, 4 * GROUP, 28 * GROUP, 52 * GROUP


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _spare(typing):
    """The address of memory that the function around it has while it runs."""

    def build(context, builder, signature, arguments):
        memory = cgutils.alloca_once(builder, ir.ArrayType(ir.IntType(8), _MEMORY))
        memory.align = 64
        return builder.ptrtoint(memory, ir.IntType(64))

    return types.int64(), build


def _group(write, x, r, y, start, halves, level, scale, spare):
    """Sixty-four elements from `start` on, for as many half-words."""


@overload(_group, jit_options={"nogil": True, "forceinline": True})
def _group_overload(write, x, r, y, start, halves, level, scale, spare):
    def direct(write, x, r, y, start, halves, level, scale, spare):
        write(x, r, y, start, halves, level, scale)

    def converted(write, x, r, y, start, halves, level, scale, spare):
        first: Any = pointer(spare + _FLOATS, float32)
        second, third = (
            pointer(spare + _FLOATS + 4 * GROUP, float32),
            pointer(spare + _FLOATS + 8 * GROUP, float32),
        )
        values = carray(first, 3 * GROUP)
        inputs, added, outputs = carray(x, start + GROUP), carray(r, start + GROUP), carray(y, start + GROUP)
        for j in range(GROUP):
            values[j] = _from_float16(inputs[start + j])
            values[GROUP + j] = _from_float16(added[start + j])
        write(first, second, third, 0, halves, level, scale)
        for j in range(GROUP):
            outputs[start + j] = _to_float16(values[2 * GROUP + j])

    return converted if y.dtype == types.int16 and from_float16 is _from_float16 else direct


def _group_ahead(
    write, ahead, x, r, y, start, halves, level, scale, spare, words, block, c1, site, step, key0, key1
):
    """The same, and to `words` the half-words of the next group, whose first call is `block`."""


@overload(_group_ahead, jit_options={"nogil": True, "forceinline": True})
def _group_ahead_overload(
    write, ahead, x, r, y, start, halves, level, scale, spare, words, block, c1, site, step, key0, key1
):
    def direct(
        write, ahead, x, r, y, start, halves, level, scale, spare, words, block, c1, site, step, key0, key1
    ):
        ahead(x, r, y, start, halves, level, scale, words, block, c1, site, step, key0, key1)

    def converted(
        write, ahead, x, r, y, start, halves, level, scale, spare, words, block, c1, site, step, key0, key1
    ):
        _group(write, x, r, y, start, halves, level, scale, spare)
        write_calls(words, block, c1, site, step, key0, key1)

    return converted if y.dtype == types.int16 and from_float16 is _from_float16 else direct


@njit(nogil=True)
def _groups(write, ahead, x, r, y, start, end, level, scale, spare, block, c1, site, step, key0, key1):
    """Whole groups, whose draws begin a call."""
    halves, words = spare, spare + _USED
    write_calls(halves, block, c1, site, step, key0, key1)
    while start + GROUP < end:
        block += uint64(GROUP // 8)
        _group_ahead(
            write,
            ahead,
            x,
            r,
            y,
            start,
            halves,
            level,
            scale,
            spare,
            words,
            block,
            c1,
            site,
            step,
            key0,
            key1,
        )
        start, halves, words = start + GROUP, words, halves
    _group(write, x, r, y, start, halves, level, scale, spare)


@njit(nogil=True)
def _single(op, x, r, y, start, halves, level, scale, spare):
    """One group, whose half-words are there."""
    if op == DROP:
        _group(write_drop, x, r, y, start, halves, level, scale, spare)
    elif op == RELU:
        _group(write_relu, x, r, y, start, halves, level, scale, spare)
    elif op == ADD:
        _group(write_add, x, r, y, start, halves, level, scale, spare)
    else:
        _group(write_relu_gradient, x, r, y, start, halves, level, scale, spare)


@njit(nogil=True)
def _part(op, x, r, y, stored, start, count, halves, level, scale, spare):
    """Fewer than sixty-four."""
    values: Any = pointer(spare + _VALUES, stored)
    second, third = (
        pointer(spare + _VALUES + 8 * GROUP, stored),
        pointer(spare + _VALUES + 16 * GROUP, stored),
    )
    none = int64(0)  # of one type with other places: a literal would have everything compiled once more
    _copy(values, none, x, start, count)
    if op != DROP and op != RELU:  # noqa: PLR1714 - Numba makes a tuple of the other form
        _copy(second, none, r, start, count)
    _single(op, values, second, third, none, halves, level, scale, spare)
    _copy(y, start, third, none, count)


@njit(nogil=True)
def _copy(target, to, source, start, count):
    written, read = carray(target, to + count), carray(source, start + count)
    for j in range(count):
        written[to + j] = read[start + j]


@njit(nogil=True)
def _thin(op, x, r, y, stored, bases, run, inner, low, high, level, scale, draw, site, step, key0, key1):
    """Positions [low, high) of the mask, in rows of `run`; see `mask.sharing.Rows`."""
    spare: Any = _spare()
    drawn, used = carray(pointer(spare, uint16), GROUP), carray(pointer(spare + _USED, uint16), GROUP)
    # Half-words that do not come in sixty-fours wait in `used`, from whatever row, for the elements at `start`.
    start, waiting = low * inner, 0
    position = low
    while position < high:
        row = position // run
        element = bases[row] + (position - row * run)
        lane, block = element & 7, (element >> 3) & 0xFFFFFFFF
        # Calls that are made together have the high half of their number in common.
        left = min((row + 1) * run - position, high - position, 8 * ((1 << 32) - block) - lane)
        c1 = uint64(element >> 35) + (draw << uint64(16))
        if inner == 1 and lane == 0 and left >= GROUP:
            if waiting:
                _part(op, x, r, y, stored, start, int64(waiting), spare + _USED, level, scale, spare)
                start, waiting = start + waiting, 0
            call, end = uint64(block), start + left - left % GROUP
            if op == DROP:
                _groups(
                    write_drop, ahead_drop, x, r, y, start, end, level, scale, spare,
                    call, c1, site, step, key0, key1,
                )  # fmt: skip
            elif op == RELU:
                _groups(
                    write_relu, ahead_relu, x, r, y, start, end, level, scale, spare,
                    call, c1, site, step, key0, key1,
                )  # fmt: skip
            else:
                _groups(
                    write_add, ahead_add, x, r, y, start, end, level, scale, spare,
                    call, c1, site, step, key0, key1,
                )  # fmt: skip
            start = end
            position += left - left % GROUP
            continue
        # A long row goes on at the beginning of a call.
        count = 8 - lane if inner == 1 and lane and left > 2 * GROUP else min(GROUP - lane, left)
        write_calls(spare, uint64(block), c1, site, step, key0, key1)
        for i in range(count):
            copies = inner
            if op == DROP and copies >= 4 * GROUP and drawn[lane + i] < level:
                # Nothing is read of a long stretch that is dropped as a whole.
                if waiting:
                    _part(op, x, r, y, stored, start, int64(waiting), spare + _USED, level, scale, spare)
                    start, waiting = start + waiting, 0
                carray(y, start + copies)[start:] = 0
                start += copies
                continue
            # A shared draw is spread over its elements, which then go the common way.
            while copies:
                some = min(copies, GROUP - waiting)
                used[waiting : waiting + some] = drawn[lane + i]
                full = copies // GROUP if waiting == 0 else int64(waiting + some == GROUP)
                for _ in range(full):
                    _single(op, x, r, y, start, spare + _USED, level, scale, spare)
                    start += GROUP
                copies -= max(some, full * GROUP) if waiting == 0 else some
                waiting = 0 if full else waiting + some
        position += count
    if waiting:
        _part(op, x, r, y, stored, start, int64(waiting), spare + _USED, level, scale, spare)


@njit(nogil=True)
def _relu_gradient(gradient, output, result, stored, low, high, scale):
    """The gradient of `y = k relu(x) s` from its output alone: above zero, an element was kept."""
    spare: Any = _spare()
    level = np.int32(0)
    start = low
    while start + GROUP <= high:
        _group(write_relu_gradient, gradient, output, result, start, spare, level, scale, spare)
        start += GROUP
    if start < high:
        _part(
            _RELU_GRADIENT, gradient, output, result, stored, start, high - start, spare, level, scale, spare
        )


# A kernel takes one argument, the address of a block (`kernels.block`), so that any team of threads can run it.


@njit(nogil=True)
def _run_thin(block, stored, factor):
    word = carray(pointer(block, int64), slot.COUNT)
    scale = factor(carray(pointer(block + 8 * slot.SCALE, float64), 1)[0])
    x, r, y = pointer(word[slot.X], stored), pointer(word[slot.R], stored), pointer(word[slot.Y], stored)
    bases = carray(pointer(word[slot.BASES], int64), word[slot.ROWS])
    low = take(block + 8 * slot.NEXT, word[slot.PIECE])
    while low < word[slot.SIZE]:
        high = min(low + word[slot.PIECE], word[slot.SIZE])
        _thin(
            word[slot.OP], x, r, y, stored, bases, word[slot.RUN], word[slot.INNER], low, high,
            np.int32(word[slot.LEVEL]), scale, uint64(word[slot.DRAW]), uint64(word[slot.SITE]),
            uint64(word[slot.STEP]), uint64(word[slot.KEY0]), uint64(word[slot.KEY1]),
        )  # fmt: skip
        low = take(block + 8 * slot.NEXT, word[slot.PIECE])


@njit(nogil=True)
def _run_relu_gradient(block, stored, factor):
    word = carray(pointer(block, int64), slot.COUNT)
    scale = factor(carray(pointer(block + 8 * slot.SCALE, float64), 1)[0])
    gradient, output = pointer(word[slot.X], stored), pointer(word[slot.R], stored)
    result = pointer(word[slot.Y], stored)
    low = take(block + 8 * slot.NEXT, word[slot.PIECE])
    while low < word[slot.SIZE]:
        high = min(low + word[slot.PIECE], word[slot.SIZE])
        _relu_gradient(gradient, output, result, stored, low, high, scale)
        low = take(block + 8 * slot.NEXT, word[slot.PIECE])


# One function a stored type, because Numba's cache knows functions and no closures. Every type is multiplied in
# float32 but float64.


def thin_float32(block):
    _run_thin(block, float32, float32)


def thin_float64(block):
    _run_thin(block, float64, float64)


def thin_bfloat16(block):
    _run_thin(block, uint16, float32)


def thin_float16(block):
    _run_thin(block, int16, float32)


def relu_gradient_float32(block):
    _run_relu_gradient(block, float32, float32)


def relu_gradient_float64(block):
    _run_relu_gradient(block, float64, float64)


def relu_gradient_bfloat16(block):
    _run_relu_gradient(block, uint16, float32)


def relu_gradient_float16(block):
    _run_relu_gradient(block, int16, float32)


KERNELS: dict[str, dict[str, Any]] = {
    "thin": {
        "float32": thin_float32,
        "float64": thin_float64,
        "bfloat16": thin_bfloat16,
        "float16": thin_float16,
    },
    "relu_gradient": {
        "float32": relu_gradient_float32,
        "float64": relu_gradient_float64,
        "bfloat16": relu_gradient_bfloat16,
        "float16": relu_gradient_float16,
    },
}
"""`thin` writes `y = k x s` and its fused forms; `relu_gradient` writes the gradient `y` from `x`, the output's
gradient, and `r`, the output."""
