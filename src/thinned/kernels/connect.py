# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, call-arg, attr-defined, unreachable"
"""A matrix product with weights thinned anew for each example, in Numba: the mask is drawn where it multiplies.

    y[b, t, o] = s sum_i k[b, o, i] w[o, i] x[b, t, i]

The logical mask has axes (example, out, in), and no copy of the weights is made for an example: a few rows'
draws lie in first-level cache beside their weights, and are gone when the sum is made.

How it is cut. Forward, a piece is some rows of the weights by some examples, and each sum is made by one
thread. Backward, a piece is a range of columns: the gradients of `x` and of `w` have the axis `in` in
common, so threads that hold different columns write nothing in common, and one draw serves both. The order
of every sum depends on the shapes alone, so neither the number of threads nor the place of the rows in a
larger batch changes a bit.

Numba keeps compiled code by the age of this file alone: touch it when `vectors.py` changes.
"""

import numpy as np
from numba import carray, float32, float64, int64, uint64

from thinned.kernels.jit import njit
from thinned.kernels.memory import pointer, take
from thinned.kernels.vectors import CALLS, write_calls

COUNT = 22
(
    X, W, G, DX, DW, EXAMPLES, ROWS, BATCH, TIMES, OUT, IN, WHOLE, PIECE, PIECES, NEXT, LEVEL, SCALE, C1, SITE,
    STEP, KEY0, KEY1,
) = range(COUNT)  # fmt: skip
"""Words of a block. X, W, DX, DW: addresses of (batch, time, in), (out, in) and their gradients, 0 where
none is wanted; G: of (batch, time, out), the output forward and its gradient backward. EXAMPLES and ROWS:
the element at which each example, and within it each row, starts. WHOLE: rows follow each other without a
gap. PIECE: examples forward, columns backward, of one of PIECES. C1: draw * 2^16."""

TILE = 4096
"""Elements whose draws are kept at once, 8 KiB; as many weights are beside them."""

_SLACK = 128
"""Half-words behind a tile: its first block begins before it, and eight blocks are drawn at once."""


@njit(nogil=True)
def _draw(halves, start, count, c1, site, step, key0, key1):
    """Write the half-words of `count` elements from `start` on; the place of the first among those written."""
    lane = start & 7
    block = uint64(start >> 3)
    place = int64(halves.ctypes.data)
    end = place + 2 * (lane + count)
    while place < end:
        low = block & uint64(0xFFFFFFFF)
        write_calls(place, low, c1 + (block >> uint64(32)), site, step, key0, key1)
        # Calls that are made together have the high half of their number in common: beyond it they are made again.
        calls = min(uint64(CALLS), uint64(1 << 32) - low)
        block, place = block + calls, place + 16 * int64(calls)
    return lane


@njit(nogil=True, fastmath={"reassoc", "contract"})
def _dot(w, x, halves, level):
    """The sum of kept products: a weight is selected and then multiplied, as where thinned weights are made."""
    zero = w.dtype.type(0)  # the difference of a weight to itself is NaN where that weight is
    total = zero
    for i in range(w.size):
        total += (w[i] if np.int32(halves[i]) >= level else zero) * x[i]
    return total


@njit(nogil=True, fastmath={"contract"})
def _add_weights(out, factor, w, halves, level):
    zero = w.dtype.type(0)
    for i in range(out.size):
        out[i] += factor * (w[i] if np.int32(halves[i]) >= level else zero)


@njit(nogil=True, fastmath={"contract"})
def _add_inputs(out, factor, x, halves, level):
    for i in range(out.size):
        out[i] = out[i] + factor * x[i] if np.int32(halves[i]) >= level else out[i]


@njit(nogil=True)
def _run_forward(block, real):
    word = carray(pointer(block, int64), COUNT)
    batch, times, out, width = word[BATCH], word[TIMES], word[OUT], word[IN]
    x = carray(pointer(word[X], real), batch * times * width)
    w = carray(pointer(word[W], real), out * width)
    y = carray(pointer(word[G], real), batch * times * out)
    examples = carray(pointer(word[EXAMPLES], int64), batch)
    rows = carray(pointer(word[ROWS], int64), out)
    scale = real(carray(pointer(block + 8 * SCALE, float64), 1)[0])
    level = np.int32(word[LEVEL])
    c1, site, step = uint64(word[C1]), uint64(word[SITE]), uint64(word[STEP])
    key0, key1 = uint64(word[KEY0]), uint64(word[KEY1])
    halves = np.empty(TILE + _SLACK, np.uint16)
    tall = max(1, min(TILE // width, out)) if word[WHOLE] else 1
    tiles = (out + tall - 1) // tall
    piece = take(block + 8 * NEXT, 1)
    while piece < word[PIECES]:
        tile, first = piece % tiles, piece // tiles * word[PIECE]
        low, high = tile * tall, min((tile + 1) * tall, out)
        for b in range(first, min(first + word[PIECE], batch)):
            for left in range(0, width, TILE):
                right = min(left + TILE, width)
                count = (high - low) * width if tall > 1 else right - left
                lane = _draw(halves, examples[b] + rows[low] + left, count, c1, site, step, key0, key1)
                for o in range(low, high):
                    weights = w[o * width + left : o * width + right]
                    for t in range(times):
                        a = (b * times + t) * width
                        value = scale * _dot(weights, x[a + left : a + right], halves[lane:], level)
                        place = (b * times + t) * out + o
                        y[place] = value if left == 0 else y[place] + value
                    lane += width
        piece = take(block + 8 * NEXT, 1)


@njit(nogil=True)
def _run_backward(block, real):  # noqa: PLR0912 - one loop, whose branches are the two gradients
    word = carray(pointer(block, int64), COUNT)
    batch, times, out, width = word[BATCH], word[TIMES], word[OUT], word[IN]
    x = carray(pointer(word[X], real), batch * times * width)
    w = carray(pointer(word[W], real), out * width)
    g = carray(pointer(word[G], real), batch * times * out)
    dx = carray(pointer(word[DX], real), batch * times * width)
    dw = carray(pointer(word[DW], real), out * width)
    examples = carray(pointer(word[EXAMPLES], int64), batch)
    rows = carray(pointer(word[ROWS], int64), out)
    scale = real(carray(pointer(block + 8 * SCALE, float64), 1)[0])
    level = np.int32(word[LEVEL])
    c1, site, step = uint64(word[C1]), uint64(word[SITE]), uint64(word[STEP])
    key0, key1 = uint64(word[KEY0]), uint64(word[KEY1])
    halves = np.empty(TILE + _SLACK, np.uint16)
    chunk = word[PIECE]
    tall = max(1, min(TILE // 2 // chunk, out))
    at_once = word[WHOLE] != 0 and chunk >= width
    piece = take(block + 8 * NEXT, 1)
    while piece < word[PIECES]:
        left, right = piece * chunk, min((piece + 1) * chunk, width)
        if word[DX]:
            for a in range(left, batch * times * width, width):
                dx[a : a + right - left] = 0
        for low in range(0, out, tall):
            high = min(low + tall, out)
            if word[DW]:
                for o in range(low, high):
                    dw[o * width + left : o * width + right] = 0
            for b in range(batch):
                lane = 0
                if at_once:
                    count = (high - low) * width
                    lane = _draw(halves, examples[b] + rows[low], count, c1, site, step, key0, key1)
                for o in range(low, high):
                    if not at_once:
                        start = examples[b] + rows[o] + left
                        lane = _draw(halves, start, right - left, c1, site, step, key0, key1)
                    keep = halves[lane : lane + right - left]
                    for t in range(times):
                        a = (b * times + t) * width
                        factor = scale * g[(b * times + t) * out + o]
                        if word[DX]:
                            weights = w[o * width + left : o * width + right]
                            _add_weights(dx[a + left : a + right], factor, weights, keep, level)
                        if word[DW]:
                            _add_inputs(
                                dw[o * width + left : o * width + right],
                                factor,
                                x[a + left : a + right],
                                keep,
                                level,
                            )
                    lane += width
        piece = take(block + 8 * NEXT, 1)


def forward_float32(block):  # noqa: D103
    _run_forward(block, float32)


def forward_float64(block):  # noqa: D103
    _run_forward(block, float64)


def backward_float32(block):  # noqa: D103
    _run_backward(block, float32)


def backward_float64(block):  # noqa: D103
    _run_backward(block, float64)


KERNELS = {
    "connect": {"float32": forward_float32, "float64": forward_float64},
    "connect_backward": {"float32": backward_float32, "float64": backward_float64},
}
