"""Run a plan on memory: the one door between front ends and the CPU kernels."""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy.typing as npt

from thinned.kernels.block import ADD, DROP, RELU, Block, new_block
from thinned.kernels.compiled import Kernel, kernel
from thinned.kernels.pool import run
from thinned.mask.plan import Plan

__all__ = ["ADD", "DROP", "GRAIN", "RELU", "Memory", "Team", "crew", "relu_gradient", "thin"]

GRAIN = 1 << 14
"""Fewest elements worth a piece of their own: about five microseconds of work."""

Coordinates = tuple[int, int, int, int]
"""Seed, site, step, draw: checked integers."""

Team = Callable[[Kernel, Block, int], None]
"""Runs a kernel on a block on at most so many threads at once, and returns when all of it is done."""

_STORED = {"float32": "float32", "float64": "float64", "uint16": "bfloat16", "int16": "float16"}


class Memory(NamedTuple):
    """Flat, C-contiguous values.

    Args:
        dtype: float32, float64, bfloat16 or float16.
        address: of the first value.
        size: how many there are.
        owner: what keeps them alive.
    """

    dtype: str
    address: int
    size: int
    owner: object


Values = Memory | npt.NDArray[Any]
"""Memory, or a contiguous array; half types come in arrays of integers, bfloat16 as uint16, float16 as int16."""


def crew(kernel: Kernel, block: Block, threads: int) -> None:
    """The team of our own threads."""
    run(lambda: kernel.call(block), threads)


def thin(
    op: int,
    x: Values,
    y: Values,
    plan: Plan,
    address: Coordinates,
    *,
    residual: Values | None = None,
    threads: int,
    team: Team = crew,
) -> None:
    """Write `y = k x s` (or its fused forms) for the mask at an address.

    Args:
        op: `DROP`, `RELU` or `ADD`; `ADD` needs `residual`.
        x: the input, in the plan's row-major order.
        y: the output, like `x`; may be at its address, or share no byte with it.
        plan: the decisions; `plan.where.shape` has as many elements as `x`.
        address: seed, site, step, draw.
        residual: what `ADD` adds, like `x`.
        threads: at most so many, the caller's own among them.
        team: who runs them.
    """
    if not x.size:
        return
    x, y = _memory(x), _memory(y)
    rows = plan.rows()
    seed, site, step, draw = address
    added = y.address if residual is None else _memory(residual).address
    size, grain = len(rows.bases) * rows.run, max(1, GRAIN // rows.inner)
    threads, piece = _cut(size, grain, threads)
    block = new_block(
        x.address, added, y.address, x.size, rows.address, len(rows.bases), op, x.address == y.address, rows.run,
        rows.inner, size, piece, 0, plan.threshold, _bits(plan.scale), draw, site, step,
        seed & 0xFFFFFFFF, seed >> 32,
    )  # fmt: skip
    block.owners = (x, y, residual, rows)
    _run(kernel("thin", x.dtype), block, threads, team)


def relu_gradient(
    gradient: Values,
    output: Values,
    result: Values,
    scale: float,
    *,
    threads: int,
    team: Team = crew,
) -> None:
    """Write the gradient of `y = k relu(x) s`, given `y`: `gradient * s` where `y` is not zero.

    Args:
        gradient: as `thin` takes its input.
        output: `y`, like `gradient`.
        result: written, like `gradient`; shares no byte with either.
        scale: s.
        threads: at most so many.
        team: who runs them.
    """
    gradient, output, result = _memory(gradient), _memory(output), _memory(result)
    size = gradient.size
    threads, piece = _cut(size, GRAIN, threads)
    block = new_block(
        gradient.address, output.address, result.address, size, 0, 0, 0, 0, 0, 0, size, piece, 0, 0, _bits(scale)
    )  # fmt: skip
    block.owners = (gradient, output, result)
    _run(kernel("relu_gradient", gradient.dtype), block, threads, team)


def _cut(size: int, grain: int, threads: int) -> tuple[int, int]:
    """How many threads a size is worth, and the size of their pieces: four a thread, of a grain at least."""
    threads = max(1, min(threads, size // (2 * grain)))
    return threads, max(1, size if threads == 1 else max(grain, -(-size // (4 * threads))))


def _memory(values: Values) -> Memory:
    if isinstance(values, Memory):
        return values
    return Memory(_STORED[values.dtype.name], values.__array_interface__["data"][0], values.size, values)


def _run(kernel: Kernel, block: Block, threads: int, team: Team) -> None:
    if threads == 1:
        kernel.call(block)
    else:
        team(kernel, block, threads)


def _bits(value: float) -> int:
    """A float64's bits, as the signed integer that holds them."""
    return int(struct.unpack("q", struct.pack("d", value))[0])
