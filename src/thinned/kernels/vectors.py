# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, misc"
"""The inner parts of the CPU kernel as LLVM's vectors: the words of eight Philox calls, and sixty-four elements.

Written out, because LLVM's own vectorising costs a third of the speed in cache and more outside
(`docs/decisions/0015-vectors.md`). The vectors are plain ones: LLVM cuts them to what a processor has.

Numba keeps compiled code by the age of `cpu.py` alone: touch that when something here changes.
"""

from llvmlite import ir
from numba import types, uint64
from numba.extending import intrinsic

from thinned.kernels.block import ADD, DROP, RELU

CALLS = 8
GROUP = 8 * CALLS
"""Elements whose draws eight calls make."""

_WORD, _INT = ir.IntType(64), ir.IntType(32)
_LANES = ir.VectorType(_WORD, CALLS)
_LOW = 0xFFFFFFFF
_M0, _M1, _W0, _W1 = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85

_ORDER = [lane // 2 + (CALLS // 2) * (lane % 2) for lane in range(CALLS)]
"""Which call a lane computes: such that pairing lanes 0, 2, 4, ... of the two results gives the first calls in
order, which processors do in one instruction."""

_WIDTH = 16
"""Elements in a vector of the second part."""


def _splat(builder, scalar, width):
    """A vector of one value."""
    none = ir.Constant(ir.VectorType(scalar.type, width), ir.Undefined)
    first = builder.insert_element(none, scalar, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(_INT, width), [0] * width))


def _constant(value):
    return ir.Constant(_LANES, [value] * CALLS)


def _product(builder, lanes, factor):
    """32 x 32 -> 64 bits. The mask costs nothing: by it LLVM knows the instruction that reads low halves alone."""
    return builder.mul(builder.and_(lanes, _constant(_LOW)), _constant(factor))


def _calls(builder, words, block, c1, site, step, key0, key1, *, paired):
    """Emit the words of eight Philox calls, a round at a time; the last step writes them.

    What the calls have in common is computed once: the whole of round 0 but one product, and half of round 1. High
    halves of lanes hold what is left there, until the last round.

    Where `paired`, every second round adds its keys and the next one's at once, to the two halves of the products.
    That saves an eighth of the operations and makes the chain of dependent ones longer: it pays where something
    else is there to fill the gaps.
    """
    low, half = ir.Constant(_WORD, _LOW), ir.Constant(_WORD, 32)
    keys = [(key0, key1)]
    for _ in range(9):
        k0, k1 = keys[-1]
        keys.append(
            (
                builder.and_(builder.add(k0, ir.Constant(_WORD, _W0)), low),
                builder.and_(builder.add(k1, ir.Constant(_WORD, _W1)), low),
            )
        )

    product = builder.mul(site, ir.Constant(_WORD, _M1))
    c0 = builder.xor(builder.xor(builder.lshr(product, half), c1), key0)
    second = builder.mul(builder.and_(c0, low), ir.Constant(_WORD, _M0))
    common = (
        builder.xor(step, key1),
        builder.xor(builder.and_(product, low), keys[1][0]),
        builder.xor(builder.lshr(second, half), keys[1][1]),
        builder.and_(second, low),
    )
    c2, a, b, c3 = (_splat(builder, scalar, CALLS) for scalar in common)
    shift = _constant(32)
    p0 = _product(builder, builder.add(_splat(builder, block, CALLS), ir.Constant(_LANES, _ORDER)), _M0)
    p1 = _product(builder, builder.xor(builder.lshr(p0, shift), c2), _M1)
    c0, c1, c2 = builder.xor(builder.lshr(p1, shift), a), p1, builder.xor(p0, b)
    yield
    for number in range(2, 10):
        p0, p1 = _product(builder, c0, _M0), _product(builder, c2, _M1)
        if not paired:
            k0, k1 = (_splat(builder, key, CALLS) for key in keys[number])
            c1, c3 = builder.xor(c1, k0), builder.xor(c3, k1)
        elif number % 2 == 0:
            k0, k1 = (
                _splat(builder, builder.or_(builder.shl(now, half), then), CALLS)
                for now, then in zip(keys[number], keys[number + 1], strict=True)
            )
            p1, p0 = builder.xor(p1, k0), builder.xor(p0, k1)
        if number < 9:
            c0, c2 = builder.xor(builder.lshr(p1, shift), c1), builder.xor(builder.lshr(p0, shift), c3)
            c1, c3 = p1, p0
        yield
    # Two words a lane, in the order of memory.
    first, second = (
        builder.xor(
            builder.or_(builder.lshr(product, shift), builder.shl(product, shift)),
            builder.and_(lanes, _constant(_LOW)),
        )
        for product, lanes in ((p1, c1), (p0, c3))
    )
    place = builder.inttoptr(words, _LANES.as_pointer())
    for part in range(2):
        pairs = [lane + CALLS * side for lane in range(part, CALLS, 2) for side in range(2)]
        mask = ir.Constant(ir.VectorType(_INT, CALLS), pairs)
        slot = builder.gep(place, [ir.Constant(_WORD, part)])
        builder.store(builder.shuffle_vector(first, second, mask), slot, align=4)


@intrinsic
def write_calls(_context, _words, _block, _c1, _site, _step, _key0, _key1):
    """Write the words of the eight Philox calls from `block` on, `block` being the low 32 bits of their number.

    Their numbers' high half is that of `c1` in all of them.
    """

    def build(context, builder, _signature, arguments):
        for _ in _calls(builder, *arguments, paired=False):
            pass
        return context.get_dummy_value()

    return types.none(types.int64, *[uint64] * 6), build


def _vector_of(llvm):
    return ir.VectorType(llvm, _WIDTH)


def _integers(values):
    return ir.Constant(_vector_of(_INT), [values] * _WIDTH)


def _widen(builder, stored, kind):
    """Stored values as the floats that are computed with."""
    if kind == types.uint16:
        bits = builder.shl(builder.zext(stored, _vector_of(_INT)), _integers(16))
        return builder.bitcast(bits, _vector_of(ir.FloatType()))
    if kind == types.int16:
        halves = builder.bitcast(stored, _vector_of(ir.HalfType()))
        return builder.fpext(halves, _vector_of(ir.FloatType()))
    return stored


def _narrow(builder, values, kind):
    """Computed floats as they are stored: rounded once, to nearest, ties to even."""
    short = _vector_of(ir.IntType(16))
    if kind == types.uint16:
        bits = builder.bitcast(values, _vector_of(_INT))
        # A NaN made of bfloat16s has zeros below, whose rounding carries nothing into it.
        odd = builder.and_(builder.lshr(bits, _integers(16)), _integers(1))
        rounded = builder.add(builder.add(bits, _integers(0x7FFF)), odd)
        return builder.trunc(builder.lshr(rounded, _integers(16)), short)
    if kind == types.int16:
        return builder.bitcast(builder.fptrunc(values, _vector_of(ir.HalfType())), short)
    return values


def _elements(op, context, builder, signature, arguments):
    """Emit sixty-four elements by as many half-words, a vector at a time. Each is read before it is written."""
    x, scale = signature.args[0], arguments[6]
    x_at, r_at, y_at, start, halves, level = arguments[:6]
    llvm = context.get_value_type(x.dtype)
    stored, size = _vector_of(llvm), context.get_abi_sizeof(llvm)
    scales, levels = _splat(builder, scale, _WIDTH), _splat(builder, level, _WIDTH)
    zero = ir.Constant(scales.type, None)
    draws = builder.inttoptr(halves, _vector_of(ir.IntType(16)).as_pointer())
    for vector in range(GROUP // _WIDTH):
        place = builder.add(start, ir.Constant(_WORD, vector * _WIDTH))

        def at(base, place=place):
            return builder.bitcast(builder.gep(base, [place]), stored.as_pointer())

        def load(base, at=at):
            return _widen(builder, builder.load(at(base), align=size), x.dtype)

        # Unordered comparisons: a NaN goes through, as in a plain relu.
        values = load(x_at)
        if op is None:
            keep = builder.fcmp_unordered(">", load(r_at), zero)
        else:
            drawn = builder.load(builder.gep(draws, [ir.Constant(_WORD, vector)]), align=2)
            keep = builder.icmp_signed(">=", builder.zext(drawn, levels.type), levels)
        if op == RELU:
            keep = builder.and_(keep, builder.fcmp_unordered(">", values, zero))
        result = builder.select(keep, builder.fmul(values, scales), zero)
        if op == ADD:
            result = builder.fadd(load(r_at), result)
        builder.store(_narrow(builder, result, x.dtype), at(y_at), align=size)
        yield


def _writer(op):
    """The intrinsic of an operation."""

    @intrinsic
    def write(_context, x, r, y, start, halves, level, scale):
        """Write sixty-four elements from `start` on, by as many half-words; the output may be the input."""

        def build(context, builder, signature, arguments):
            for _ in _elements(op, context, builder, signature, arguments):
                pass
            return context.get_dummy_value()

        return types.none(x, r, y, types.int64, types.int64, types.int32, scale), build

    return write


def _ahead(op):
    """The intrinsic of an operation that draws ahead."""

    @intrinsic
    def write(_context, x, r, y, start, halves, level, scale, words, block, c1, site, step, key0, key1):
        """Write sixty-four elements, and between their vectors the words of the next eight calls, to `words`.

        The rounds wait for each other and the vectors for nothing, so a processor fills the gaps of the ones with
        the others; side by side in the program, because it looks no further ahead than about one group.
        """

        def build(context, builder, signature, arguments):
            # LLVM would hand words on from turn to turn in registers, half by half. It forgets them here.
            builder.asm(ir.FunctionType(ir.VoidType(), []), "", "~{memory}", [], side_effect=True)
            elements = _elements(op, context, builder, signature, arguments)
            for number, _ in enumerate(_calls(builder, *arguments[7:], paired=True)):
                if number % 2:
                    next(elements, None)
            return context.get_dummy_value()

        words_of = (types.int64, *[uint64] * 6)
        return types.none(x, r, y, types.int64, types.int64, types.int32, scale, *words_of), build

    return write


write_drop, write_relu, write_add, write_relu_gradient = (_writer(op) for op in (DROP, RELU, ADD, None))
ahead_drop, ahead_relu, ahead_add = (_ahead(op) for op in (DROP, RELU, ADD))
