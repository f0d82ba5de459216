# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, call-arg, attr-defined, unreachable"
"""Half types on the CPU, where Numba has none: bfloat16 travels as uint16, float16 as int16.

Numba keeps compiled code by the age of a kernel's own file: touch those that import this when it changes.
"""

import platform

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import config, float32, int16, types
from numba.extending import intrinsic, overload

from thinned.kernels.jit import njit

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


def widen(stored, out):
    """Stored values as the floats that are computed with."""


def narrow(values, out):
    """Computed floats as they are stored: rounded once, to nearest, ties to even."""


@overload(widen)
def _widen_for(stored, out):
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


@overload(narrow)
def _narrow_for(values, out):
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
