# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, operator, unused-ignore"
"""The law on a GPU, in Triton: the same bits as `mask.keep`, nothing kept between forward and backward.

One Philox call serves eight elements: its four words are cut into halves and interleaved in registers until
they stand in element order, so that a block is loaded, compared, multiplied and stored with no detour. Where an
array does not read consecutive elements of its mask (shared axes, windows), each element makes its own call.

Integers come as signed 32-bit words, so that no value of an address is another type and none compiles anew. The
launchers take anything with the `data_ptr` and `dtype` that Triton knows. `TRITON_INTERPRET=1`, set before this
file is imported, runs all of it on a processor.
"""

from typing import Any

import triton
import triton.language as tl

from thinned.kernels.block import ADD, DROP, RELU
from thinned.kernels.execute import Coordinates
from thinned.methods.law import bits

__all__ = ["ADD", "DROP", "RELU", "relu_gradient_stack", "thin_row", "thin_rows", "thin_stack", "write_stack"]

_CALLS = 128
"""Philox calls of a program: 1024 elements, eight a thread."""

_SINGLE = 1024
"""Elements of a program that makes a call for each."""

_WORDS = ["key0", "key1", "draw", "site", "step", "level", "scale"]
"""Arguments whose value is no reason to compile anew."""


@triton.jit
def _unsigned(word):
    return word.to(tl.int32).to(tl.uint32, bitcast=True)


@triton.jit
def _call(block, draw, site, step, key0, key1):
    """The four words of the calls with these 64-bit numbers."""
    seed = (key1.to(tl.uint64) << 32) | key0.to(tl.uint64)
    c1 = (block >> 32).to(tl.uint32) + (draw << 16)
    return tl.philox(seed, (block & 0xFFFFFFFF).to(tl.uint32), c1, site, step)


@triton.jit
def _halves(first, draw, site, step, key0, key1, calls: tl.constexpr):
    """The half-words of consecutive calls, in element order."""
    w0, w1, w2, w3 = _call(first + tl.arange(0, calls), draw, site, step, key0, key1)
    word = tl.interleave(tl.interleave(w0, w2), tl.interleave(w1, w3))  # bits 2 and 1 of the lane
    return tl.interleave(word & 0xFFFF, word >> 16).to(tl.int32)  # bit 0


@triton.jit
def _half(element, draw, site, step, key0, key1):
    """The half-word of each element, by a call of its own."""
    w0, w1, w2, w3 = _call(element >> 3, draw, site, step, key0, key1)
    lane = (element & 7).to(tl.int32)
    word = tl.where(lane < 4, tl.where(lane < 2, w0, w1), tl.where(lane < 6, w2, w3))
    return tl.where((lane & 1) == 0, word & 0xFFFF, word >> 16).to(tl.int32)


@triton.jit
def _finish(x, r, y, offset, inside, h, level, scale, op: tl.constexpr):
    """Load, select, multiply, store; in float32, or float64 for float64."""
    exact: tl.constexpr = tl.float64 if x.dtype.element_ty == tl.float64 else tl.float32
    value = tl.load(x + offset, mask=inside).to(exact)
    if op == 1:  # RELU; a NaN is not below zero, and stays
        value = tl.where(value <= 0, tl.zeros_like(value), value)
    factor = scale.to(tl.int64).to(tl.float64, bitcast=True).to(exact)
    value = tl.where(h >= level, value * factor, tl.zeros_like(value))
    if op == 2:  # ADD
        value += tl.load(r + offset, mask=inside).to(exact)
    tl.store(y + offset, value.to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=_WORDS)
def _row(
    x, r, y, size, key0, key1, draw, site, step, level, scale, op: tl.constexpr, calls: tl.constexpr
):  # fmt: skip
    """Elements 0, 1, ... of one mask."""
    first = tl.program_id(0).to(tl.int64) * calls
    h = _halves(
        first, _unsigned(draw), _unsigned(site), _unsigned(step), _unsigned(key0), _unsigned(key1), calls
    )
    offset = first * 8 + tl.arange(0, 8 * calls)
    _finish(x, r, y, offset, offset < size, h, level, scale, op)


@triton.jit(do_not_specialize=[*_WORDS, "run", "inner"])
def _rows(
    x, r, y, bases, run, inner, size, key0, key1, draw, site, step, level, scale,
    op: tl.constexpr, long: tl.constexpr, elements: tl.constexpr,
):  # fmt: skip
    """Rows of a mask; see `mask.sharing.Rows`."""
    offset = tl.program_id(0).to(tl.int64) * elements + tl.arange(0, elements)
    inside = offset < size
    position = (
        offset if long else offset.to(tl.int32)
    ) // inner  # a 64-bit division costs as much as the draw
    row = position // run
    element = tl.load(bases + row, mask=inside) + (position - row * run)
    h = _half(element, _unsigned(draw), _unsigned(site), _unsigned(step), _unsigned(key0), _unsigned(key1))
    _finish(x, r, y, offset, inside, h, level, scale, op)


@triton.jit(do_not_specialize=["site", "step", "draw"])
def _stack(
    z, bias, y, seeds, levels, scales, size, width, site, step, draw,
    biased: tl.constexpr, draws: tl.constexpr, calls: tl.constexpr,
):  # fmt: skip
    """One layer of many networks: y = k relu(z + bias) s, a network a row of the grid."""
    network = tl.program_id(1).to(tl.int64)
    first = tl.program_id(0).to(tl.int64) * calls
    offset = first * 8 + tl.arange(0, 8 * calls)
    inside = offset < size
    value = tl.load(z + network * size + offset, mask=inside)
    if biased:
        value += tl.load(bias + network * width + offset % width, mask=inside)
    value = tl.where(value <= 0, tl.zeros_like(value), value)
    if draws:
        seed = tl.load(seeds + network)
        key0, key1 = (seed & 0xFFFFFFFF).to(tl.uint32), ((seed >> 32) & 0xFFFFFFFF).to(tl.uint32)
        h = _halves(first, _unsigned(draw), _unsigned(site), _unsigned(step), key0, key1, calls)
        kept = h >= tl.load(levels + network)
        value = tl.where(kept, value * tl.load(scales + network), tl.zeros_like(value))
    tl.store(y + network * size + offset, value, mask=inside)


@triton.jit
def _stack_gradient(g, y, result, scales, size, elements: tl.constexpr):
    """The gradient of a layer of many networks, from its output: above zero, an element was kept."""
    network = tl.program_id(1).to(tl.int64)
    offset = tl.program_id(0).to(tl.int64) * elements + tl.arange(0, elements)
    inside = offset < size
    at = network * size + offset
    scaled = tl.load(g + at, mask=inside) * tl.load(scales + network)
    # A NaN is not below zero: its gradient passes, as in the single network.
    value = tl.where(tl.load(y + at, mask=inside) <= 0, tl.zeros_like(scaled), scaled)
    tl.store(result + at, value, mask=inside)


@triton.jit(do_not_specialize=["site", "step", "draw"])
def _write_stack(
    y, seeds, levels, first, second, size, site, step, draw, kind: tl.constexpr, calls: tl.constexpr
):
    """What `thinned.methods.law.WRITE` says of a draw, for many networks: a network a row of the grid."""
    network = tl.program_id(1).to(tl.int64)
    seed = tl.load(seeds + network)
    key0, key1 = (seed & 0xFFFFFFFF).to(tl.uint32), ((seed >> 32) & 0xFFFFFFFF).to(tl.uint32)
    a, b = tl.load(first + network), tl.load(second + network)
    call = tl.program_id(0).to(tl.int64) * calls
    if kind == 3:  # NORMAL: four words a call, in pairs
        w0, w1, w2, w3 = _call(
            call + tl.arange(0, calls), _unsigned(draw), _unsigned(site), _unsigned(step), key0, key1
        )
        z0, z1 = _normals(w0, w1)
        z2, z3 = _normals(w2, w3)
        value = b + a * tl.interleave(tl.interleave(z0, z2), tl.interleave(z1, z3))
        offset = call * 4 + tl.arange(0, 4 * calls)
    else:
        h = _halves(call, _unsigned(draw), _unsigned(site), _unsigned(step), key0, key1, calls)
        offset = call * 8 + tl.arange(0, 8 * calls)
        if kind == 2:  # UNIFORM
            value = b + a * ((2 * h - 65535).to(tl.float32) * 1.52587890625e-05)
        else:
            value = tl.where(h >= tl.load(levels + network), a, b)
    tl.store(y + network * size + offset, value, mask=offset < size)


@triton.jit
def _normals(even, odd):
    """The pair that two words give; in float64, whose logarithm near 1 a float32 cannot have."""
    radius = tl.sqrt(-2 * tl.log((even.to(tl.float64) + 1) * 2.3283064365386963e-10))
    angle = odd.to(tl.float64) * 1.4629180792671596e-09
    return (radius * tl.cos(angle)).to(tl.float32), (radius * tl.sin(angle)).to(tl.float32)


def thin_row(op: int, x: Any, r: Any, y: Any, size: int, level: int, scale: float, at: Coordinates) -> None:
    """Write `y = k x s`, or a fused form, for an array that reads elements 0, 1, ... of its mask.

    Args:
        op: `DROP`, `RELU` or `ADD`.
        x: `size` contiguous values: float32, float64, bfloat16 or float16.
        r: what `ADD` adds, like `x`; else `x` itself.
        y: like `x`; may be `x`.
        size: how many.
        level: T of the law.
        scale: s, in float64.
        at: seed, site, step, draw.
    """
    grid = (triton.cdiv(size, 8 * _CALLS),)
    _row[grid](x, r, y, size, *_words(at), level, bits(scale), op=op, calls=_CALLS, enable_fp_fusion=False)


def thin_rows(
    op: int, x: Any, r: Any, y: Any, bases: Any, run: int, inner: int, size: int, level: int, scale: float,
    at: Coordinates,
) -> None:  # fmt: skip
    """The same for any layout: `bases`, `run` and `inner` are those of `mask.sharing.Rows`, `bases` int64."""
    grid = (triton.cdiv(size, _SINGLE),)
    _rows[grid](
        x, r, y, bases, run, inner, size, *_words(at), level, bits(scale),
        op=op, long=size >= 1 << 31, elements=_SINGLE, enable_fp_fusion=False,
    )  # fmt: skip


def thin_stack(
    z: Any, bias: Any | None, y: Any, seeds: Any, levels: Any, scales: Any, shape: tuple[int, int, int],
    site: int, step: int, draw: int, *, draws: bool,
) -> None:  # fmt: skip
    """Write a hidden layer of many networks: `y[n] = k[n] relu(z[n] + bias[n]) s[n]`.

    Args:
        z: float32, axes (network, example, unit), contiguous.
        bias: axes (network, unit), or None.
        y: like `z`.
        seeds: int64 (network,); the mask of network n is that of `seeds[n]` at (site, step, draw).
        levels: int32 (network,): T of the law.
        scales: float32 (network,): s.
        shape: of `z`.
        site: an integer.
        step: an integer.
        draw: an integer.
        draws: False where every level is 0.
    """
    networks, examples, width = shape
    size = examples * width
    _stack[(triton.cdiv(size, 8 * _CALLS), networks)](
        z, z if bias is None else bias, y, seeds, levels, scales, size, width, _signed(site), _signed(step), draw,
        biased=bias is not None, draws=draws, calls=_CALLS, enable_fp_fusion=False,
    )  # fmt: skip


def relu_gradient_stack(g: Any, y: Any, result: Any, scales: Any, shape: tuple[int, int, int]) -> None:
    """Write the gradient before bias and ReLU, from that of `thin_stack`'s output and the output itself."""
    networks, examples, width = shape
    size = examples * width
    _stack_gradient[(triton.cdiv(size, _SINGLE), networks)](g, y, result, scales, size, elements=_SINGLE)


def write_stack(
    y: Any, seeds: Any, levels: Any, first: Any, second: Any, size: int, networks: int, site: int, step: int,
    draw: int, kind: int,
) -> None:  # fmt: skip
    """Write draws for many networks: `first` where kept and else `second`, or `second + first z`.

    Args:
        y: float32, axes (network, element), contiguous.
        seeds: int64 (network,).
        levels: int32 (network,): T of the law, of a draw by half-words.
        first: float32 (network,).
        second: float32 (network,).
        size: elements of a network.
        networks: how many.
        site: an integer.
        step: an integer.
        draw: an integer.
        kind: `HALF`, `UNIFORM` or `NORMAL` of `thinned.methods.law`.
    """
    grid = (triton.cdiv(size, (4 if kind == 3 else 8) * _CALLS), networks)
    _write_stack[grid](
        y, seeds, levels, first, second, size, _signed(site), _signed(step), draw,
        kind=kind, calls=_CALLS, enable_fp_fusion=False,
    )  # fmt: skip


def _words(at: Coordinates) -> tuple[int, int, int, int, int]:
    seed, site, step, draw = at
    return _signed(seed & 0xFFFFFFFF), _signed(seed >> 32), draw, _signed(site), _signed(step)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >= 1 << 31 else word
