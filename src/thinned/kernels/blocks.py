# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, call-arg, attr-defined, unreachable"
"""DropBlock on the CPU, in Numba: the same bits as `methods.drop_block.keep`.

Seeds are whole words, and nearly all of them drop nothing. So sixty-four words at a time are compared into the
bits of one number, and only a bit that is set costs more: its block is cleared in a mask of 16-bit numbers, which
then takes the place of half-words in the kernel of plain dropout. What is newly cleared is counted, so that nobody
sums a mask.

Where there are samples enough for all threads, a thread does a sample at a time, and its mask stays in cache. Where
there are not, one call clears masks plane by plane, and a second multiplies.

Numba keeps compiled code by the age of its file alone: touch this one when what it takes from `cpu.py` or
`vectors.py` changes.
"""

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import carray, float32, float64, int16, int64, uint16, uint32, uint64
from numba.extending import intrinsic

from thinned.kernels.block import DROP
from thinned.kernels.compiled import Kernel, kernel
from thinned.kernels.cpu import _group, _part, _spare
from thinned.kernels.execute import GRAIN, Coordinates, Memory, Team, crew, together
from thinned.kernels.jit import njit
from thinned.kernels.memory import pointer, take
from thinned.kernels.vectors import GROUP, write_calls, write_drop
from thinned.mask.rate import WIDE_LEVELS
from thinned.methods.drop_block import BlockPlan

SAMPLES, CLEAR, MULTIPLY = 0, 1, 2
"""What a call does: whole samples; the masks of planes; the products of planes."""

SLACK = GROUP
"""How many more numbers than elements a mask has, since it is read by whole groups."""

COUNT = 16

(
    X, Y, PLACE, ENTRIES, MASKS, LOST, TASK, SIZE, PIECE, NEXT, LEVEL, DRAW, SITE, STEP, KEY0, KEY1,
) = range(COUNT)  # fmt: skip

BATCH, CHANNELS, PLANES, LENGTHS, BLOCKS, BASES = 0, 1, 2, 3, 6, 9
"""What stands where in the array that `PLACE` points at: planes are the masks of a sample, `BASES` the first seed
of each sample. There are three lengths and three sizes of a block, the first ones 1 where axes are fewer."""


@intrinsic
def _hits(_context, _address, _level):
    """The bits of the 64 words at an address that are below a level, the first word's lowest."""

    def build(context, builder, _signature, arguments):
        address, level = arguments
        width, word = 16, ir.IntType(32)
        lanes = ir.VectorType(word, width)
        first = builder.insert_element(ir.Constant(lanes, ir.Undefined), level, ir.Constant(word, 0))
        levels = builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(word, width), [0] * width))
        place, found = builder.inttoptr(address, lanes.as_pointer()), ir.Constant(ir.IntType(64), 0)
        for part in range(64 // width):
            values = builder.load(builder.gep(place, [ir.Constant(word, part)]), align=4)
            below = builder.bitcast(builder.icmp_unsigned("<", values, levels), ir.IntType(width))
            bits = builder.shl(builder.zext(below, found.type), ir.Constant(found.type, part * width))
            found = builder.or_(found, bits)
        return found

    return uint64(int64, uint32), build


@intrinsic
def _lowest(_context, _bits):
    """The place of the lowest bit that is set."""

    def build(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return int64(uint64), build


@njit(nogil=True)
def _clear(mask, seed, planes, place, level, spare, draw, site, step, key0, key1):
    """Clear what the seeds of `planes` planes drop, the first of them `seed`; returns how many elements it is."""
    if level >= WIDE_LEVELS:
        mask[:] = 0
        return mask.size
    depth, height, width = place[LENGTHS], place[LENGTHS + 1], place[LENGTHS + 2]
    deep, high, wide = place[BLOCKS], place[BLOCKS + 1], place[BLOCKS + 2]
    columns = width + wide - 1
    area = (height + high - 1) * columns
    volume = (depth + deep - 1) * area
    below, lost, end = np.uint32(level), 0, seed + planes * volume
    mask[:] = 1
    # Sixteen calls from a multiple of sixteen on have the high half of their number in common.
    for first in range(seed & ~63, end, 64):
        call = uint64(first >> 2)
        low, c1 = call & uint64(0xFFFFFFFF), (call >> uint64(32)) + (draw << uint64(16))
        write_calls(spare, low, c1, site, step, key0, key1)
        write_calls(spare + 128, low + uint64(8), c1, site, step, key0, key1)
        bits: Any = _hits(spare, below)
        while bits:
            hit = first + _lowest(bits) - seed
            bits &= bits - uint64(1)
            if hit < 0 or hit >= end - seed:
                continue  # of a neighbour
            plane = hit // volume
            z, hit = divmod(hit - plane * volume, area)
            y, x = divmod(hit, columns)
            left, right = max(x - wide + 1, 0), min(x + 1, width)
            for k in range(max(z - deep + 1, 0), min(z + 1, depth)):
                for j in range(max(y - high + 1, 0), min(y + 1, height)):
                    row = ((plane * depth + k) * height + j) * width
                    for i in range(row + left, row + right):
                        lost += mask[i]
                        mask[i] = 0
    return lost


@njit(nogil=True)
def _multiply(x, y, stored, start, count, mask, scale, spare):
    """A stretch of elements by the kernel of plain dropout; `mask` is an address, 1 is kept there, 0 is not."""
    level, end = np.int32(1), start + count
    while start + GROUP <= end:
        _group(write_drop, x, x, y, start, mask, level, scale, spare)
        start, mask = start + GROUP, mask + 2 * GROUP
    if start < end:
        _part(DROP, x, x, y, stored, start, end - start, mask, level, scale, spare)


@njit(nogil=True)
def _run(block, stored, factor):
    word = carray(pointer(block, int64), COUNT)
    x, y = pointer(word[X], stored), pointer(word[Y], stored)
    place = carray(pointer(word[PLACE], int64), word[ENTRIES])
    task, level, channels, planes = word[TASK], word[LEVEL], place[CHANNELS], place[PLANES]
    draw, site, step = uint64(word[DRAW]), uint64(word[SITE]), uint64(word[STEP])
    key0, key1 = uint64(word[KEY0]), uint64(word[KEY1])
    positions = place[LENGTHS] * place[LENGTHS + 1] * place[LENGTHS + 2]
    volume = 1
    for axis in range(3):
        volume *= place[LENGTHS + axis] + place[BLOCKS + axis] - 1
    whole, spare = planes * positions, _spare()
    own = np.empty(whole + SLACK if task == SAMPLES else 0, np.uint16)

    low = take(block + 8 * NEXT, word[PIECE])
    while low < word[SIZE]:
        for piece in range(low, min(low + word[PIECE], word[SIZE])):
            if task == SAMPLES:
                seed, mask = place[BASES + piece], int64(own.ctypes.data)
                lost = _clear(own[:whole], seed, planes, place, level, spare, draw, site, step, key0, key1)
                scale = _scale(whole, lost, factor)
                for channel in range(0, channels, planes):
                    start = (piece * channels + channel) * positions
                    _multiply(x, y, stored, start, whole, mask, scale, spare)
            elif task == CLEAR:
                sample, plane = divmod(piece, planes)
                cleared = carray(pointer(word[MASKS] + 2 * piece * positions, uint16), positions)
                seed = place[BASES + sample] + plane * volume
                lost = _clear(cleared, seed, 1, place, level, spare, draw, site, step, key0, key1)
                take(word[LOST] + 8 * sample, lost)
            else:
                sample, channel = divmod(piece, channels)
                scale = _scale(whole, carray(pointer(word[LOST], int64), sample + 1)[sample], factor)
                mask = word[MASKS] + 2 * (sample * planes + channel % planes) * positions
                _multiply(x, y, stored, piece * positions, positions, mask, scale, spare)
        low = take(block + 8 * NEXT, word[PIECE])


@njit(nogil=True)
def _scale(whole, lost, factor):
    """One over the share that is kept, and 0 where nothing is: rounded once, to the type of the multiplication."""
    return factor(whole / (whole - lost)) if whole > lost else factor(0)


def drop_block_float32(block):  # noqa: D103
    _run(block, float32, float32)


def drop_block_float64(block):  # noqa: D103
    _run(block, float64, float64)


def drop_block_bfloat16(block):  # noqa: D103
    _run(block, uint16, float32)


def drop_block_float16(block):  # noqa: D103
    _run(block, int16, float32)


KERNELS: dict[str, dict[str, Any]] = {
    "drop_block": {
        "float32": drop_block_float32,
        "float64": drop_block_float64,
        "bfloat16": drop_block_bfloat16,
        "float16": drop_block_float16,
    }
}


_Block = ctypes.c_int64 * COUNT
"""A block of this kernel's own words."""


def drop_block(
    x: Memory, y: Memory, plan: BlockPlan, address: Coordinates, *, threads: int, team: Team = crew
) -> None:
    """Write `y = x m n / sum(m)`, each sample by its own sum, for the blocks at an address.

    Args:
        x: the input, in the plan's row-major order.
        y: the output, like `x`; shares no byte with it.
        plan: the decisions.
        address: seed, site, step, draw.
        threads: at most so many, the caller's own among them.
        team: who runs them.
    """
    if not x.size:
        return
    place = _place(plan)
    batch, channels, planes = (int(value) for value in place[:LENGTHS])
    seeds = plan.where.logical_shape[2:]
    work = max(x.size, batch * planes * int(np.prod(seeds)))
    threads = max(1, min(threads, work // (2 * GRAIN)))
    code = kernel("drop_block", x.dtype)
    if threads == 1 or batch >= 4 * threads:
        _call(code, x, y, place, plan, address, None, (SAMPLES, batch, 1), threads, team)
        return
    masks = np.empty(planes * (x.size // channels) + SLACK, np.uint16)
    lost = np.zeros(batch, np.int64)
    for task, size in ((CLEAR, batch * planes), (MULTIPLY, batch * channels)):
        piece = -(-size // (4 * threads))
        _call(code, x, y, place, plan, address, (masks, lost), (task, size, piece), threads, team)


def _call(
    code: Kernel,
    x: Memory,
    y: Memory,
    place: npt.NDArray[np.int64],
    plan: BlockPlan,
    address: Coordinates,
    shared: tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64]] | None,
    task: tuple[int, int, int],
    threads: int,
    team: Team,
) -> None:
    seed, site, step, draw = address
    masks, lost = (0, 0) if shared is None else (_at(shared[0]), _at(shared[1]))
    block = _Block(
        x.address, y.address, _at(place), place.size, masks, lost, *task, 0, plan.threshold, draw, site,
        step, seed & 0xFFFFFFFF, seed >> 32,
    )  # fmt: skip
    together(code, block, threads, team, (x, y, place, shared))


@lru_cache(maxsize=256)
def _place(plan: BlockPlan) -> npt.NDArray[np.int64]:
    """Sizes and first seeds, as the kernel reads them. Plans compare by identity, and are themselves cached."""
    batch, channels, *lengths = plan.shape
    where = plan.where
    planes = where.mask_shape[1]
    index = where.index[0]
    samples = np.arange(index, index + batch) if isinstance(index, int) else index
    samples = np.zeros(batch, np.int64) if 0 in where.shared else samples
    bases = samples * int(np.prod(where.logical_shape[1:]))
    ones = (1,) * (3 - len(lengths))
    return np.array([batch, channels, planes, *ones, *lengths, *ones, *plan.block, *bases], np.int64)


def _at(array: npt.NDArray[Any]) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
