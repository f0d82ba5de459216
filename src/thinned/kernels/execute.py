"""Run a plan on memory: the one door between front ends and the CPU kernels."""

import ctypes
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, cast

import numpy.typing as npt

from thinned.kernels import block as slot
from thinned.kernels import pool
from thinned.kernels.block import ADD, DROP, RELU, Block
from thinned.kernels.compiled import Kernel, entry, kernel
from thinned.kernels.entry import COUNT, KERNEL, TEAM, THREADS
from thinned.mask.plan import Plan
from thinned.mask.sharing import Rows
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
    "in_rows",
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


class Team(Protocol):
    """Threads that work on a block together."""

    @property
    def parallel(self) -> int:
        """The address of a function like `GOMP_parallel`, by which compiled code has them start; 0 without one."""

    def __call__(self, kernel: Kernel, block: Block, threads: int, owners: object) -> None:
        """Run a kernel on a block on at most so many threads at once, and return when all of it is done.

        The last argument keeps alive what the block points to: a helper may still write where its caller was
        interrupted.
        """

    def __hash__(self) -> int:
        """Jobs are found again by their team."""


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


class _Crew:
    """The team of our own threads."""

    parallel = 0

    def __call__(self, kernel: Kernel, block: Block, threads: int, owners: object) -> None:
        def work(_: object = owners) -> None:
            kernel.call(block)

        pool.run(work, threads)


crew = _Crew()
"""The team of our own threads."""


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
    """A kernel with all that its calls have in common, ready to run.

    Args:
        name: of the kernel, and the dtype that it stores.
        words: of its block, by their places; the others are 0, or differ from call to call.
        threads: at most so many, the caller's own among them.
        team: who runs them.
        owners: what keeps alive what the words point to.
        plan: of `thin`, what the words were made of.
    """

    __slots__ = (
        "_at",
        "_enter",
        "_kernel",
        "_known",
        "_name",
        "_owners",
        "_team",
        "_threads",
        "plan",
    )

    def __init__(
        self,
        name: tuple[str, str],
        words: Mapping[int, int],
        threads: int,
        team: Team,
        owners: object = None,
        plan: Plan | None = None,
    ) -> None:
        self._name, self._threads, self._team, self._owners = name, threads, team, owners
        self.plan = cast(Plan, plan)
        self._known = (ctypes.c_int64 * COUNT)()
        for place, word in {**words, THREADS: threads}.items():
            self._known[place] = word
        self._at = ctypes.addressof(self._known)
        # Compiled when it first runs: a device with kernels of its own asks for plans too.
        self._kernel: Kernel | None = None
        self._enter: Callable[..., None] | None = None

    def run(
        self, op: int, x: int, residual: int | None, y: int, address: Coordinates, owners: object
    ) -> None:
        """Call the kernel on memory by its addresses: as many values as its plan has at `x`, `residual` and `y`.

        Args:
            op: what the kernel is to do: `DROP`, `RELU` or `ADD` of `thin`.
            x: where the input is.
            residual: where the second input is, what `ADD` adds; None where there is none.
            y: where the output is; may be `x`.
            address: seed, site, step, draw.
            owners: what keeps the memory alive.
        """
        enter = self._enter or self._load()
        seed, site, step, draw = address
        r = y if residual is None else residual
        if self._threads == 1 or self._team.parallel:
            enter(self._at, op, x, r, y, draw, site, step, seed & 0xFFFFFFFF, seed >> 32)
            return
        block = _Words.from_buffer_copy(self._known)
        block[slot.X], block[slot.R], block[slot.Y], block[slot.OP] = x, r, y, op
        block[slot.IN_PLACE] *= x == y
        block[slot.DRAW], block[slot.SITE], block[slot.STEP] = draw, site, step
        block[slot.KEY0], block[slot.KEY1] = seed & 0xFFFFFFFF, seed >> 32
        self._team(cast(Kernel, self._kernel), block, self._threads, (self, owners))

    def _load(self) -> Callable[..., None]:
        self._kernel = kernel(*self._name)
        self._known[KERNEL], self._known[TEAM] = self._kernel.address, self._team.parallel
        self._enter = found = entry()
        return found


_Words = ctypes.c_int64 * slot.COUNT


@lru_cache(maxsize=256)
def ready(plan: Plan, dtype: str, threads: int, team: Team) -> Job:
    """The job of a plan; a training loop asks for the same few again and again.

    Args:
        plan: the decisions.
        dtype: float32, float64, bfloat16 or float16.
        threads: at most so many, the caller's own among them.
        team: who runs them.
    """
    rows = plan.rows()
    words, threads = in_rows(rows, threads, team)
    words |= {slot.LEVEL: plan.threshold, slot.SCALE: bits(plan.scale)}
    return Job(("thin", dtype), words, threads, team, rows, plan)


def in_rows(rows: Rows, threads: int, team: Team) -> tuple[dict[int, int], int]:
    """The words of a block that say where draws are, and how many threads that is worth."""
    size = len(rows.bases) * rows.run
    grain = GRAIN * ASLEEP if team is crew else GRAIN
    threads, piece = cut(size, max(1, grain // max(1, rows.inner)), threads)
    words = {slot.ELEMENTS: size * rows.inner, slot.BASES: rows.address, slot.ROWS: len(rows.bases)}
    words |= {slot.RUN: rows.run, slot.INNER: rows.inner, slot.SIZE: size, slot.PIECE: piece}
    return words, threads


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
    job = _gradient_job(gradient.dtype, gradient.size, scale, threads, team)
    job.run(0, gradient.address, output.address, result.address, (0, 0, 0, 0), (gradient, output, result))


@lru_cache(maxsize=256)
def _gradient_job(dtype: str, size: int, scale: float, threads: int, team: Team) -> Job:
    threads, piece = cut(size, GRAIN, threads)
    words = {slot.ELEMENTS: size, slot.SIZE: size, slot.PIECE: piece, slot.SCALE: bits(scale)}
    return Job(("relu_gradient", dtype), words, threads, team)


def cut(size: int, grain: int, threads: int) -> tuple[int, int]:
    """How many threads a size is worth, and the size of their pieces: four a thread, of a grain at least."""
    threads = max(1, min(threads, size // (2 * grain)))
    return threads, max(1, size if threads == 1 else max(grain, -(-size // (4 * threads))))


def _memory(values: Values) -> Memory:
    if isinstance(values, Memory):
        return values
    return Memory(_STORED[values.dtype.name], values.__array_interface__["data"][0], values.size, values)
