"""Run a plan on memory: the one door between front ends and the CPU kernels."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, cast

import numpy.typing as npt

from thinned.kernels import pool
from thinned.kernels.block import ADD, DROP, RELU, Block, give, take
from thinned.kernels.compiled import Kernel, kernel
from thinned.kernels.memory import PIECES
from thinned.mask.plan import Plan
from thinned.methods.law import bits

__all__ = [
    "ADD",
    "DROP",
    "GRAIN",
    "RELU",
    "Job",
    "Memory",
    "Team",
    "crew",
    "own_threads",
    "ready",
    "relu_gradient",
    "thin",
    "together",
]

GRAIN = 1 << 14
"""Fewest elements worth a piece of their own, to a team that is awake: about five microseconds of work."""

ASLEEP = 8
"""How many times as large a piece must be to be worth waking a thread of our own."""

Coordinates = tuple[int, int, int, int]
"""Seed, site, step, draw: checked integers."""

Team = Callable[[Kernel, Block, int, object], None]
"""Runs a kernel on a block on at most so many threads at once, and returns when all of it is done.

The last argument keeps alive what the block points to: a helper may still write where its caller was interrupted.
"""

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


def crew(kernel: Kernel, block: Block, threads: int, owners: object) -> None:
    """The team of our own threads."""

    def work(_: object = owners) -> None:
        kernel.call(block)

    pool.run(work, threads)


def own_threads(size: int) -> int:
    """How many of our own threads so many elements are given: one where waking others is not worth the asking."""
    return pool.default_threads() if size >= 2 * GRAIN * ASLEEP else 1


def together(kernel: Kernel, block: Block, threads: int, team: Team, owners: object) -> None:
    """Run a kernel on a block: by its caller alone, or by a team."""
    if threads == 1:
        kernel.call(block)
    else:
        team(kernel, block, threads, owners)


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
    x, y = _memory(x), _memory(y)
    added = None if residual is None else _memory(residual)
    ready(plan, x.dtype, threads, team).run(
        op, x.address, None if added is None else added.address, y.address, address, (x, y, added)
    )


class Job:
    """A plan made ready for a stored type and a team: what its calls have in common.

    Args:
        plan: the decisions.
        dtype: float32, float64, bfloat16 or float16.
        threads: at most so many, the caller's own among them.
        team: who runs them.
    """

    __slots__ = ("_dtype", "_how", "_kernel", "_rows", "_team", "_threads", "_where", "plan")

    def __init__(self, plan: Plan, dtype: str, threads: int, team: Team) -> None:
        rows = plan.rows()
        self.plan, self._rows, self._team = plan, rows, team
        size = len(rows.bases) * rows.run
        grain = GRAIN * ASLEEP if team is crew else GRAIN
        self._threads, piece = cut(size, max(1, grain // max(1, rows.inner)), threads)
        # Two stretches of words of the block.
        self._where = size * rows.inner, rows.address, len(rows.bases)
        self._how = rows.run, rows.inner, size, piece, 0, plan.threshold, bits(plan.scale)
        # Compiled when it first runs: a device with kernels of its own asks for plans too.
        self._dtype, self._kernel = dtype, cast("Kernel | None", None)

    def run(
        self, op: int, x: int, residual: int | None, y: int, address: Coordinates, owners: object
    ) -> None:
        """`thin` for memory by its addresses: as many values as the plan has at `x`, `residual` and `y`.

        Args:
            op: `DROP`, `RELU` or `ADD`.
            x: where the input is.
            residual: where what `ADD` adds is.
            y: where the output is.
            address: seed, site, step, draw.
            owners: what keeps the memory alive.
        """
        if not self._where[0]:
            return
        seed, site, step, draw = address
        block = take(
            x, y if residual is None else residual, y, *self._where, op, x == y, *self._how, draw, site, step,
            seed & 0xFFFFFFFF, seed >> 32,
        )  # fmt: skip
        found = self._kernel
        if found is None:
            found = self._kernel = kernel("thin", self._dtype)
        if self._threads == 1:
            found.call(block)
        else:
            self._team(found, block, self._threads, (self._rows, owners))
        give(block)


ready = lru_cache(maxsize=256)(Job)
"""The job of a plan, a stored type, a number of threads and a team; a training loop asks for the same few again."""


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
    threads, piece = cut(size, GRAIN, threads)
    block = take(
        gradient.address, output.address, result.address, size, 0, 0, 0, 0, 0, 0, size, piece, 0, 0, bits(scale),
        0, 0, 0, 0, 0,
    )  # fmt: skip
    together(kernel("relu_gradient", gradient.dtype), block, threads, team, (gradient, output, result))
    give(block)


def cut(size: int, grain: int, threads: int) -> tuple[int, int]:
    """How many threads a size is worth, and the size of their pieces: `PIECES` a thread, of a grain at least."""
    threads = max(1, min(threads, size // (2 * grain)))
    return threads, max(1, size if threads == 1 else max(grain, -(-size // (PIECES * threads))))


def _memory(values: Values) -> Memory:
    if isinstance(values, Memory):
        return values
    return Memory(_STORED[values.dtype.name], values.__array_interface__["data"][0], values.size, values)
