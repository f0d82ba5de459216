# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, call-arg, attr-defined, unreachable"
"""The law on the CPU, in Numba: the same bits as `mask.keep`, thousands of elements at a time.

How it is laid out. Philox runs for a block of calls at once, its state in 64-bit lanes that hold 32-bit
values, so that LLVM vectorises the 32 x 32 -> 64 bit multiply. The words are written interleaved into a
small buffer, which seen as 16-bit halves *is* the half-words in element order. A second loop compares and
multiplies; `x` and `y` are sliced per block, because index arithmetic inside that loop hides it from LLVM
and costs a factor of four.

Half types travel as integers, since Numba has no float16 on the CPU: bfloat16 as uint16, float16 as int16.
Both are multiplied in float32 and rounded once.

Nothing is kept: forward and backward both come here with an address.
"""

import platform
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import carray, config, float32, float64, int16, int64, njit, types, uint16, uint64
from numba.extending import intrinsic, overload

from thinned.kernels import block as slot
from thinned.kernels.block import ADD, DROP, RELU

BLOCK = 256
"""Philox calls made at once; their words (4 KiB) stay in the first-level cache."""

_LOW = 0xFFFFFFFF


@njit(nogil=True)
def _fill(words, first, count, draw, site, step, key0, key1):
    """Write the words of `count` Philox calls, from block `first` on."""
    for i in range(count):
        block = first + uint64(i)
        c0 = block & uint64(_LOW)
        c1 = (block >> uint64(32)) + (draw << uint64(16))
        c2, c3, k0, k1 = site, step, key0, key1
        for _ in range(10):
            p0 = c0 * uint64(0xD2511F53)
            p1 = c2 * uint64(0xCD9E8D57)
            c0 = (p1 >> uint64(32)) ^ c1 ^ k0
            c2 = (p0 >> uint64(32)) ^ c3 ^ k1
            c1 = p1 & uint64(_LOW)
            c3 = p0 & uint64(_LOW)
            k0 = (k0 + uint64(0x9E3779B9)) & uint64(_LOW)
            k1 = (k1 + uint64(0xBB67AE85)) & uint64(_LOW)
        words[4 * i] = np.uint32(c0)
        words[4 * i + 1] = np.uint32(c1)
        words[4 * i + 2] = np.uint32(c2)
        words[4 * i + 3] = np.uint32(c3)


# Numba gives sums of 32-bit words 64 bits. The words below are cut back at once, each time, or LLVM computes
# in lanes of twice the width and half the number.


@njit(nogil=True)
def _to_bfloat16(value):
    bits = np.float32(value).view(np.uint32)
    odd = np.uint32(np.uint32(bits >> np.uint32(16)) & np.uint32(1))
    rounded = np.uint32(np.uint32(bits + np.uint32(0x7FFF)) + odd)
    nan = np.uint32(bits | np.uint32(0x00400000))  # quiet, as hardware makes it
    word = nan if np.uint32(bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000) else rounded
    return np.uint16(np.uint32(word >> np.uint32(16)))


@njit(nogil=True)
def _from_float16(value):
    half = np.uint32(np.uint16(value))
    magnitude = np.uint32(np.uint32(half & np.uint32(0x7FFF)) << np.uint32(13))
    sign = np.uint32(np.uint32(half & np.uint32(0x8000)) << np.uint32(16))
    normal = np.uint32(magnitude + np.uint32(0x38000000))  # 127 - 15 more in the exponent
    special = np.uint32(magnitude + np.uint32(0x70000000))  # infinity and NaN: exponent all ones
    # A subnormal is built as a normal number minus 2^-14, so that no float32 subnormal is ever met and a
    # thread that flushes them to zero changes nothing.
    tiny = np.uint32(magnitude + np.uint32(0x38800000)).view(np.float32) - np.float32(2.0**-14)
    bits = special if magnitude >= np.uint32(0x0F800000) else normal
    bits = np.float32(tiny).view(np.uint32) if magnitude < np.uint32(0x00800000) else bits
    return np.uint32(bits | sign).view(np.float32)


@njit(nogil=True)
def _to_float16(value):
    bits = np.float32(value).view(np.uint32)
    sign = np.uint32(np.uint32(bits >> np.uint32(16)) & np.uint32(0x8000))
    magnitude = np.uint32(bits & np.uint32(0x7FFFFFFF))
    odd = np.uint32(np.uint32(magnitude >> np.uint32(13)) & np.uint32(1))
    normal = np.uint32(np.uint32(np.uint32(magnitude + odd) - np.uint32(0x38000000 - 0xFFF)) >> np.uint32(13))
    # Adding 0.5 aligns a subnormal's last bit with float32's, so the adder does the rounding.
    tiny = np.float32(magnitude.view(np.float32) + np.float32(0.5)).view(np.uint32)
    tiny = np.uint32(tiny - np.uint32(0x3F000000))
    result = tiny if magnitude < np.uint32(0x38800000) else normal
    result = np.uint32(0x7C00) if magnitude >= np.uint32(0x477FF000) else result
    nan = np.uint32(np.uint32(0x7E00) | np.uint32(np.uint32(magnitude >> np.uint32(13)) & np.uint32(0x3FF)))
    result = nan if magnitude > np.uint32(0x7F800000) else result
    return np.int16(np.uint16(np.uint32(result | sign)))


@intrinsic
def _hardware_from_float16(_context, _bits):
    def generate(context, builder, signature, arguments):
        return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

    return float32(int16), generate


@intrinsic
def _hardware_to_float16(_context, _value):
    def generate(context, builder, signature, arguments):
        return builder.bitcast(builder.fptrunc(arguments[0], ir.HalfType()), ir.IntType(16))

    return int16(float32), generate


def _converts_float16() -> bool:
    """Whether the processor that Numba compiles for converts float16 itself, twice as fast as the code above.

    Where it does not, LLVM would call a function of the C runtime, which need not be there.
    """
    if config.CPU_NAME or config.CPU_FEATURES or not config.ENABLE_AVX:
        return False  # another processor was asked for
    if platform.machine() in {"aarch64", "arm64"}:
        return True
    try:
        return bool(get_host_cpu_features().get("f16c", False))
    except RuntimeError:
        return False


from_float16, to_float16 = (
    (_hardware_from_float16, _hardware_to_float16) if _converts_float16() else (_from_float16, _to_float16)
)


def _widen(stored, out):
    """Stored values as the floats that are computed with."""


def _narrow(values, out):
    """Computed floats as they are stored: rounded once, to nearest, ties to even."""


@overload(_widen)
def _widen_overload(stored, out):
    def floats(stored, out):
        for j in range(out.size):
            out[j] = stored[j]

    def bfloat16(stored, out):
        bits = out.view(np.uint32)
        for j in range(out.size):
            bits[j] = np.uint32(stored[j]) << np.uint32(16)

    def float16(stored, out):
        for j in range(out.size):
            out[j] = from_float16(stored[j])

    return {types.uint16: bfloat16, types.int16: float16}.get(stored.dtype, floats)


@overload(_narrow)
def _narrow_overload(values, out):
    def floats(values, out):
        for j in range(out.size):
            out[j] = values[j]

    def bfloat16(values, out):
        for j in range(out.size):
            out[j] = _to_bfloat16(values[j])

    def float16(values, out):
        for j in range(out.size):
            out[j] = to_float16(values[j])

    return {types.uint16: bfloat16, types.int16: float16}.get(out.dtype, floats)


@njit(nogil=True)
def _apply(op, x, r, y, halves, level, scale):
    """One stretch of consecutive elements, each with a half-word of its own."""
    zero = scale - scale
    level = np.int32(level)
    if op == DROP:
        for j in range(y.size):
            y[j] = x[j] * scale if halves[j] >= level else zero
    elif op == RELU:
        for j in range(y.size):
            # `not <=` and not `>`: a NaN goes through, as in a plain relu.
            y[j] = x[j] * scale if (halves[j] >= level and not x[j] <= zero) else zero
    else:
        for j in range(y.size):
            y[j] = r[j] + (x[j] * scale if halves[j] >= level else zero)


def _stretch(op, x, r, y, in_place, halves, level, scale, spare):
    """`_apply`, through first-level cache where values must change type or the output is the input."""


@overload(_stretch)
def _stretch_overload(op, x, r, y, in_place, halves, level, scale, spare):
    def direct(op, x, r, y, in_place, halves, level, scale, spare):
        if in_place:
            # LLVM vectorises only what it can tell apart, so the input is moved out of the output first.
            source = spare[0, : y.size]
            _widen(y, source)
            _apply(op, source, r, y, halves, level, scale)
        else:
            _apply(op, x, r, y, halves, level, scale)

    def converted(op, x, r, y, in_place, halves, level, scale, spare):
        source, residual, result = spare[0, : y.size], spare[1, : y.size], spare[2, : y.size]
        _widen(x, source)
        if op == ADD:
            _widen(r, residual)
        _apply(op, source, residual, result, halves, level, scale)
        _narrow(result, y)

    return direct if isinstance(y.dtype, types.Float) else converted


@njit(nogil=True)
def _thin(op, x, r, y, in_place, bases, run, inner, low, high, level, scale, draw, site, step, key0, key1):
    """Positions [low, high) of the mask, in rows of `run`; see `mask.sharing.Rows`."""
    words = np.empty(4 * BLOCK, np.uint32)
    halves = words.view(np.uint16)
    spread = np.empty(8 * BLOCK, np.uint16)
    spare = np.empty((3, 8 * BLOCK), type(scale))
    position = low
    while position < high:
        row = position // run
        element = bases[row] + (position - row * run)
        lane = element & 7
        count = min(8 * BLOCK - lane, (row + 1) * run - position, high - position)
        _fill(words, uint64(element >> 3), (lane + count + 7) >> 3, draw, site, step, key0, key1)
        if inner == 1:
            a, b = position, position + count
            h = halves[lane : lane + count]
            _stretch(op, x[a:b], r[a:b], y[a:b], in_place, h, level, scale, spare)
        else:
            for i in range(count):
                # A shared draw is spread over its elements, which then go the common way.
                a, end = (position + i) * inner, (position + i + 1) * inner
                spread[: min(inner, 8 * BLOCK)] = halves[lane + i]
                while a < end:
                    b = min(a + 8 * BLOCK, end)
                    _stretch(op, x[a:b], r[a:b], y[a:b], in_place, spread[: b - a], level, scale, spare)
                    a = b
        position += count


def _relu_stretch(gradient, output, result, scale):
    """`relu_gradient` of a stretch; stored types that are no floats go through first-level cache."""


@overload(_relu_stretch)
def _relu_stretch_overload(gradient, output, result, scale):
    def direct(gradient, output, result, scale):
        zero = scale - scale
        for j in range(result.size):
            result[j] = zero if output[j] <= zero else gradient[j] * scale

    def converted(gradient, output, result, scale):
        spare = np.empty((3, 8 * BLOCK), type(scale))
        for a in range(0, result.size, 8 * BLOCK):
            b = min(a + 8 * BLOCK, result.size)
            gs, ys, out = spare[0, : b - a], spare[1, : b - a], spare[2, : b - a]
            _widen(gradient[a:b], gs)
            _widen(output[a:b], ys)
            _relu_stretch(gs, ys, out, scale)
            _narrow(out, result[a:b])

    return direct if isinstance(result.dtype, types.Float) else converted


@njit(nogil=True)
def _relu_gradient(gradient, output, result, low, high, scale):
    """The gradient of `y = k relu(x) s` from its output alone: above zero, an element was kept."""
    _relu_stretch(gradient[low:high], output[low:high], result[low:high], scale)


# A kernel takes one argument, the address of a block (`kernels.block`), so that any team of threads can run it.


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _pointer(typing, address, kind):
    """An address as a pointer to values of a type."""
    pointer = types.CPointer(kind.instance_type)

    def build(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64, kind), build


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _take(typing, address, count):
    """Add to the word at an address, at once for all threads; returns what stood there."""

    def build(context, builder, signature, arguments):
        word = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", word, arguments[1], "monotonic")

    return types.int64(types.int64, types.int64), build


@njit(nogil=True)
def _run_thin(block, stored, factor):
    word = carray(_pointer(block, int64), slot.COUNT)
    scale = factor(carray(_pointer(block + 8 * slot.SCALE, float64), 1)[0])
    x = carray(_pointer(word[slot.X], stored), word[slot.ELEMENTS])
    r = carray(_pointer(word[slot.R], stored), word[slot.ELEMENTS])
    y = carray(_pointer(word[slot.Y], stored), word[slot.ELEMENTS])
    bases = carray(_pointer(word[slot.BASES], int64), word[slot.ROWS])
    low = _take(block + 8 * slot.NEXT, word[slot.PIECE])
    while low < word[slot.SIZE]:
        high = min(low + word[slot.PIECE], word[slot.SIZE])
        _thin(
            word[slot.OP], x, r, y, word[slot.IN_PLACE] != 0, bases, word[slot.RUN], word[slot.INNER], low, high,
            word[slot.LEVEL], scale, uint64(word[slot.DRAW]), uint64(word[slot.SITE]), uint64(word[slot.STEP]),
            uint64(word[slot.KEY0]), uint64(word[slot.KEY1]),
        )  # fmt: skip
        low = _take(block + 8 * slot.NEXT, word[slot.PIECE])


@njit(nogil=True)
def _run_relu_gradient(block, stored, factor):
    word = carray(_pointer(block, int64), slot.COUNT)
    scale = factor(carray(_pointer(block + 8 * slot.SCALE, float64), 1)[0])
    gradient = carray(_pointer(word[slot.X], stored), word[slot.ELEMENTS])
    output = carray(_pointer(word[slot.R], stored), word[slot.ELEMENTS])
    result = carray(_pointer(word[slot.Y], stored), word[slot.ELEMENTS])
    low = _take(block + 8 * slot.NEXT, word[slot.PIECE])
    while low < word[slot.SIZE]:
        _relu_gradient(gradient, output, result, low, min(low + word[slot.PIECE], word[slot.SIZE]), scale)
        low = _take(block + 8 * slot.NEXT, word[slot.PIECE])


# One function a stored type, because Numba's cache knows functions and no closures. Every type is multiplied in
# float32 but float64.


def thin_float32(block):  # noqa: D103
    _run_thin(block, float32, float32)


def thin_float64(block):  # noqa: D103
    _run_thin(block, float64, float64)


def thin_bfloat16(block):  # noqa: D103
    _run_thin(block, uint16, float32)


def thin_float16(block):  # noqa: D103
    _run_thin(block, int16, float32)


def relu_gradient_float32(block):  # noqa: D103
    _run_relu_gradient(block, float32, float32)


def relu_gradient_float64(block):  # noqa: D103
    _run_relu_gradient(block, float64, float64)


def relu_gradient_bfloat16(block):  # noqa: D103
    _run_relu_gradient(block, uint16, float32)


def relu_gradient_float16(block):  # noqa: D103
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

SIGNATURE = types.void(types.int64)
