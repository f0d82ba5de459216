# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc"
"""Box-Muller as LLVM's vectors: sixteen normals from as many words (`mask/SPEC.md`, section 8).

All in float32, with selections in place of branches and without fused multiply-add, so that an element comes out
the same wherever it stands, whoever asks, and on whatever processor. The error is below 2^-22 of the radius; the
law allows 2^-20.

Numba keeps compiled code by the age of `noise.py` alone: touch that when something here changes.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

PAIRS = 8
GROUP = 2 * PAIRS
"""Normals that are made at once."""

_INT, _FLOAT = ir.IntType(32), ir.FloatType()
_INTS, _FLOATS = ir.VectorType(_INT, PAIRS), ir.VectorType(_FLOAT, PAIRS)

_SQRT_HALF = 0x3F3504F3
"""The bits of the float32 next to sqrt(1/2)."""

_NEAR = 0x4AFB0CCD
"""(1 - sqrt(1/2)) 2^32: so far below 2^32, a logarithm is taken of 1 - y with y exact."""

_LN4 = 1.3862943611198906

# Interpolated at Chebyshev's nodes: 4 atanh(s) / s in s^2, up to s = (sqrt 2 - 1) / (sqrt 2 + 1), within 7e-9;
# cos(pi t / 2) within 7e-9, and sin(pi t / 2) / t within 6e-8, in t^2, up to t = 1/2.
_ATANH = (4.0, 1.33333635, 0.799497008, 0.598487794)
_COS = (1.0, -1.23370051, 0.253669202, -0.0208600704, 0.000903628068)
_SIN = (1.57079637, -0.64596349, 0.0796802193, -0.00460214913)


def _ints(value):
    return ir.Constant(_INTS, [value] * PAIRS)


def _floats(value):
    # Through float32: LLVM refuses a literal that one cannot hold.
    return ir.Constant(_FLOATS, [float(np.float32(value))] * PAIRS)


def _polynomial(builder, coefficients, x):
    *rest, result = (_floats(value) for value in coefficients)
    for value in reversed(rest):
        result = builder.fadd(builder.fmul(result, x), value)
    return result


def _radius(builder, word):
    """`sqrt(-2 ln((word + 1) / 2^32))`."""
    one, two = _floats(1), _floats(2)
    rest = builder.xor(word, _ints(0xFFFFFFFF))
    near = builder.icmp_unsigned("<", rest, _ints(_NEAR))
    y = builder.fmul(builder.uitofp(rest, _FLOATS), _floats(2.0**-32))
    # The number as m 2^e, m in [sqrt(1/2), sqrt 2).
    whole = builder.bitcast(builder.uitofp(builder.add(word, _ints(1)), _FLOATS), _INTS)
    above = builder.sub(whole, _ints(_SQRT_HALF))
    power = builder.sub(_ints(32), builder.ashr(above, _ints(23)))
    m = builder.bitcast(builder.add(builder.and_(above, _ints(0x007FFFFF)), _ints(_SQRT_HALF)), _FLOATS)
    ratio = builder.fdiv(
        builder.select(near, y, builder.fsub(m, one)),
        builder.select(near, builder.fsub(two, y), builder.fadd(m, one)),
    )
    small = builder.fmul(ratio, _polynomial(builder, _ATANH, builder.fmul(ratio, ratio)))
    large = builder.fsub(builder.fmul(builder.sitofp(power, _FLOATS), _floats(_LN4)), small)
    kind = ir.FunctionType(_FLOATS, [_FLOATS])
    root = get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{PAIRS}f32")
    return builder.call(root, [builder.select(near, small, large)])


def _cosine_and_sine(builder, word):
    """Of `2 pi word / 2^32`: the nearest quarter of a turn, exactly, and t in [-1/2, 1/2) quarters from there."""
    turned = builder.add(word, _ints(1 << 29))
    quarter = builder.lshr(turned, _ints(30))
    part = builder.sub(builder.and_(turned, _ints((1 << 30) - 1)), _ints(1 << 29))
    t = builder.fmul(builder.sitofp(part, _FLOATS), _floats(2.0**-30))
    square = builder.fmul(t, t)
    values = _polynomial(builder, _COS, square), builder.fmul(t, _polynomial(builder, _SIN, square))
    cosine, sine = (builder.bitcast(value, _INTS) for value in values)
    odd = builder.icmp_unsigned("!=", builder.and_(quarter, _ints(1)), _ints(0))
    signs = [
        builder.shl(builder.and_(bit, _ints(2)), _ints(30))
        for bit in (builder.add(quarter, _ints(1)), quarter)
    ]
    turns = builder.select(odd, sine, cosine), builder.select(odd, cosine, sine)
    return [
        builder.bitcast(builder.xor(value, sign), _FLOATS) for value, sign in zip(turns, signs, strict=True)
    ]


@intrinsic
def write_normals(_context, _words, _z):
    """Write the sixteen normals of sixteen words; both are addresses."""

    def build(context, builder, _signature, arguments):
        words, z = arguments
        place = builder.inttoptr(words, _INTS.as_pointer())
        low, high = (
            builder.load(builder.gep(place, [ir.Constant(ir.IntType(64), part)]), align=4) for part in (0, 1)
        )
        first, second = (
            builder.shuffle_vector(low, high, ir.Constant(_INTS, [side + 2 * pair for pair in range(PAIRS)]))
            for side in (0, 1)
        )
        radius = _radius(builder, first)
        even, odd = (builder.fmul(radius, turn) for turn in _cosine_and_sine(builder, second))
        target = builder.inttoptr(z, _FLOATS.as_pointer())
        for part in (0, 1):
            pairs = [part * PAIRS // 2 + lane // 2 + PAIRS * (lane % 2) for lane in range(PAIRS)]
            values = builder.shuffle_vector(even, odd, ir.Constant(_INTS, pairs))
            builder.store(values, builder.gep(target, [ir.Constant(ir.IntType(64), part)]), align=4)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), build
