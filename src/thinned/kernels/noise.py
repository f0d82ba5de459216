# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, call-arg, attr-defined, unreachable"
"""The laws beyond plain dropout on the CPU, in Numba: affine and wide masks, uniform and normal draws.

How it is laid out. Philox fills a block of words. A mask is compared where it is used; other
draws become *factors* `f = b + a z` in first-level cache, and a second loop multiplies, adds or stores them.
Products and sums are rounded one by one, with no fused multiply-add, so that an element comes out the same wherever
it stands. The memory of a stretch is asked for while its words are made.

The block's word `OP` holds the draw and, above it, what is done; `R` points to the float64 numbers a, b, c.

Numba keeps compiled code by the age of its file alone: touch this one when `half_types.py`,
`memory.py`, `vectors.py` or `normals.py` changes.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, float32, float64, int16, int64, types, uint16, uint64
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic, overload

from thinned.kernels import block as slot
from thinned.kernels.half_types import narrow, widen
from thinned.kernels.jit import njit
from thinned.kernels.memory import pointer, take
from thinned.kernels.normals import GROUP, write_normals
from thinned.kernels.vectors import CALLS, write_calls
from thinned.methods.law import ADD, HALF, MULTIPLY, NORMAL, SELECT, UNIFORM, WORD

COMBINE = 4
"""How far above the draw the operation stands in `OP`, in bits."""

BLOCK = 256
"""Philox calls made at once; their words (4 KiB) stay in the first-level cache."""

_STRETCH = 8 * BLOCK
_BEHIND = 4 * CALLS
"""Words that calls made together may write behind those that were asked for."""


def _prefetcher(write):
    """Has a line of memory brought near, to be read or written; nothing happens where there is no such memory."""

    @intrinsic
    def prefetch(_context, _address):
        def build(context, builder, _signature, arguments):
            pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
            ask = get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
            place = builder.inttoptr(arguments[0], pointer)
            builder.call(ask, [place, *(ir.Constant(number, value) for value in (write, 3, 1))])
            return context.get_dummy_value()

        return types.none(types.int64), build

    return prefetch


_prefetch_read, _prefetch_write = _prefetcher(0), _prefetcher(1)


@njit(nogil=True)
def _fill_ahead(words, first, count, draw, site, step, key0, key1, x, y, width):
    """The words of `count` Philox calls from block `first` on, more of `x` and `y` being brought near on the way.

    `width` is how many bytes of them a call stands for.

    Left alone, memory waits while words are made and words wait for memory: that costs a third of the time.
    """
    start = int64(words.ctypes.data)
    block, place = first, start
    while place < start + 16 * count:
        low = block & uint64(0xFFFFFFFF)
        c1 = (block >> uint64(32)) + (draw << uint64(16))
        # Calls made together have the high half of their number in common: beyond it they are made again.
        calls = int64(min(uint64(CALLS), uint64(1 << 32) - low))
        write_calls(place, low, c1, site, step, key0, key1)
        for line in range(0, width * calls, 64):
            _prefetch_read(x + line)
            _prefetch_write(y + line)
        x, y = x + width * calls, y + width * calls
        block, place = block + uint64(calls), place + 16 * calls


@njit(nogil=True)
def _factors(draw, words, halves, lane, count, a, b, f):
    """`f = b + a z`, for draws that are no mask."""
    # Sliced first: an index that might be negative keeps LLVM from vectorising.
    if draw == UNIFORM:
        drawn = halves[lane : lane + count]
        for j in range(drawn.size):
            z = np.float32(np.int32(np.int32(np.int32(drawn[j]) * np.int32(2)) - np.int32(65535)))
            f[j] = b + a * (z * np.float32(2.0**-16))
    else:
        start = words.ctypes.data
        for i in range(0, lane + count, GROUP):
            write_normals(start + 4 * i, start + 4 * i)
        z = words.view(np.float32)[lane : lane + count]
        for j in range(z.size):
            f[j] = b + a * z[j]


@njit(nogil=True)
def _select(x, y, drawn, level, a, b, c):
    """A mask from draws in a row; `level` is at most what they can hold."""
    for j in range(y.size):
        y[j] = x[j] * a + b if drawn[j] >= level else c


@njit(nogil=True)
def _write(y, drawn, level, b, c):
    """The mask itself."""
    for j in range(y.size):
        y[j] = b if drawn[j] >= level else c


@njit(nogil=True)
def _combine(combine, x, y, f):
    """Factors in a row."""
    if combine == MULTIPLY:
        for j in range(y.size):
            y[j] = x[j] * f[j]
    elif combine == ADD:
        for j in range(y.size):
            y[j] = x[j] + f[j]
    else:
        for j in range(y.size):
            y[j] = f[j]


@njit(nogil=True)
def _apply(draw, combine, x, y, words, halves, lane, level, a, b, c, f):
    """One stretch of consecutive elements, each with a draw of its own."""
    if draw > WORD:
        _combine(combine, x, y, f)
    elif combine == SELECT:
        if draw == HALF:
            _select(x, y, halves[lane : lane + y.size], np.int32(level), a, b, c)
        elif level > int64(0xFFFFFFFF):
            y[:] = c
        else:
            _select(x, y, words[lane : lane + y.size], np.uint32(level), a, b, c)
    elif draw == HALF:
        _write(y, halves[lane : lane + y.size], np.int32(level), b, c)
    elif level > int64(0xFFFFFFFF):
        y[:] = c
    else:
        _write(y, words[lane : lane + y.size], np.uint32(level), b, c)


@njit(nogil=True)
def _spread(combine, x, y, kept, factor, a, b, c):
    """One draw for all of a stretch: of a mask `kept`, of any other its factor."""
    if combine == SELECT:
        if kept:
            for j in range(y.size):
                y[j] = x[j] * a + b
        else:
            y[:] = c
    elif combine == MULTIPLY:
        for j in range(y.size):
            y[j] = x[j] * factor
    elif combine == ADD:
        for j in range(y.size):
            y[j] = x[j] + factor
    else:
        y[:] = factor


def _source(x, spare, in_place):
    """The input as floats that share no memory with the output: LLVM vectorises only what it can tell apart."""


def _target(y, spare):
    """Where results are computed: in the output itself where it holds floats."""


def _store(result, y):
    """Results that were computed elsewhere, into the output."""


@overload(_source)
def _source_overload(x, spare, in_place):
    def floats(x, spare, in_place):
        if in_place:
            widen(x, spare)
            return spare
        return x

    def halves(x, spare, in_place):
        widen(x, spare)
        return spare

    return floats if isinstance(x.dtype, types.Float) else halves


@overload(_target)
def _target_overload(y, spare):
    return (lambda y, spare: y) if isinstance(y.dtype, types.Float) else (lambda y, spare: spare)


@overload(_store)
def _store_overload(result, y):
    def direct(result, y):
        pass

    def converted(result, y):
        narrow(result, y)

    return direct if isinstance(y.dtype, types.Float) else converted


@njit(nogil=True)
def _law(
    draw, combine, x, y, in_place, bases, run, inner, low, high, level, a, b, c, which, site, step, key0, key1
):
    """Positions [low, high) of the mask, in rows of `run`; see `mask.sharing.Rows`."""
    words = np.empty(4 * BLOCK + _BEHIND, np.uint32)
    halves = words.view(np.uint16)
    f = np.empty(_STRETCH, type(a))
    spare = np.empty((2, _STRETCH), type(a))
    shift = 2 if draw in (WORD, NORMAL) else 3
    per = 1 << shift
    position = low
    while position < high:
        row = position // run
        element = bases[row] + (position - row * run)
        lane = element & (per - 1)
        count = min(per * BLOCK - lane, (row + 1) * run - position, high - position)
        # Spread draws meet their elements long after.
        width = per * x.itemsize if inner == 1 else 0
        x_next, y_next = (
            int64(x.ctypes.data) + position * x.itemsize,
            int64(y.ctypes.data) + position * x.itemsize,
        )
        _fill_ahead(
            words, uint64(element >> shift), (lane + count + per - 1) >> shift, which, site, step, key0, key1,
            x_next, y_next, width,
        )  # fmt: skip
        if draw > WORD:
            _factors(draw, words, halves, lane, count, a, b, f)
        if inner == 1:
            y_part = y[position : position + count]
            source = _source(x[position : position + count], spare[0, :count], in_place)
            result = _target(y_part, spare[1, :count])
            _apply(draw, combine, source, result, words, halves, lane, level, a, b, c, f)
            _store(result, y_part)
        else:
            for i in range(count):
                kept, factor = True, f[i]
                if draw <= WORD:
                    word = int64(halves[lane + i]) if draw == HALF else int64(words[lane + i])
                    kept = word >= level
                    factor = b if kept else c
                at, end = (position + i) * inner, (position + i + 1) * inner
                while at < end:
                    until = min(at + _STRETCH, end)
                    y_part = y[at:until]
                    source = _source(x[at:until], spare[0, : until - at], in_place)
                    result = _target(y_part, spare[1, : until - at])
                    _spread(combine, source, result, kept, factor, a, b, c)
                    _store(result, y_part)
                    at = until
        position += count


@njit(nogil=True)
def _run_law(block, stored, factor):
    word = carray(pointer(block, int64), slot.COUNT)
    numbers = carray(pointer(word[slot.R], float64), 3)
    x = carray(pointer(word[slot.X], stored), word[slot.ELEMENTS])
    y = carray(pointer(word[slot.Y], stored), word[slot.ELEMENTS])
    bases = carray(pointer(word[slot.BASES], int64), word[slot.ROWS])
    low = take(block + 8 * slot.NEXT, word[slot.PIECE])
    while low < word[slot.SIZE]:
        high = min(low + word[slot.PIECE], word[slot.SIZE])
        _law(
            word[slot.OP] & 15, word[slot.OP] >> COMBINE, x, y, word[slot.IN_PLACE] != 0, bases, word[slot.RUN],
            word[slot.INNER], low, high, word[slot.LEVEL], factor(numbers[0]), factor(numbers[1]),
            factor(numbers[2]), uint64(word[slot.DRAW]), uint64(word[slot.SITE]), uint64(word[slot.STEP]),
            uint64(word[slot.KEY0]), uint64(word[slot.KEY1]),
        )  # fmt: skip
        low = take(block + 8 * slot.NEXT, word[slot.PIECE])


# One function a stored type, because Numba's cache knows functions and no closures.


def law_float32(block):  # noqa: D103
    _run_law(block, float32, float32)


def law_float64(block):  # noqa: D103
    _run_law(block, float64, float64)


def law_bfloat16(block):  # noqa: D103
    _run_law(block, uint16, float32)


def law_float16(block):  # noqa: D103
    _run_law(block, int16, float32)


KERNELS: dict[str, dict[str, Any]] = {
    "law": {
        "float32": law_float32,
        "float64": law_float64,
        "bfloat16": law_bfloat16,
        "float16": law_float16,
    },
}
"""`law` writes what a `thinned.methods.law.Setting` says."""
