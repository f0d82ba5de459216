"""The door to `connect.py`: products with weights that are thinned for each example, on memory."""

import ctypes
from typing import NamedTuple

import numpy as np

from thinned.kernels import connect
from thinned.kernels.compiled import kernel
from thinned.kernels.execute import GRAIN, Coordinates, Team, crew, together
from thinned.mask.plan import Plan
from thinned.mask.sharing import I64, Layout
from thinned.methods.law import bits

_EXAMPLES = 32
"""Examples of a piece, forward: enough to read the rows of weights that are in cache many times."""

_NONE = 0


_Block = ctypes.c_int64 * connect.COUNT
"""A block of this kernel's own words."""


class Operands(NamedTuple):
    """Addresses of row-major values of one type, float32 or float64; 0 for a gradient that nobody wants.

    Args:
        dtype: of all of them.
        x: (batch, time, in).
        weight: (out, in).
        y: (batch, time, out), written forward, read backward as its gradient.
        x_gradient: like `x`, written backward.
        weight_gradient: like `weight`, written backward.
        owners: what keeps them alive.
    """

    dtype: str
    x: int
    weight: int
    y: int
    x_gradient: int = _NONE
    weight_gradient: int = _NONE
    owners: tuple[object, ...] = ()


def fits(where: Layout) -> bool:
    """Whether the kernel can walk a mask with axes (example, out, in): rows of consecutive elements.

    Example:
        >>> from thinned.mask.sharing import layout
        >>> fits(layout((2, 3, 4))), fits(layout((2, 3, 4), share=0))
        (True, False)
    """
    return len(where.shape) == 3 and not where.shared and isinstance(where.index[2], int)


def multiply(
    operands: Operands, times: int, plan: Plan, address: Coordinates, *, threads: int, team: Team = crew
) -> None:
    """Write `y[b, t, o] = s sum_i k[b, o, i] weight[o, i] x[b, t, i]`.

    Args:
        operands: addresses; no size may be 0.
        times: the size of the axis `time`.
        plan: of the mask, axes (example, out, in), which `fits`.
        address: seed, site, step, draw.
        threads: at most so many, the caller's own among them.
        team: who runs them.
    """
    batch, out, width = plan.where.shape
    tall = max(1, min(connect.TILE // width, out)) if _is_whole(plan.where) else 1
    pieces = -(-out // tall) * -(-batch // _EXAMPLES)
    _run("connect", operands, times, plan, address, (_EXAMPLES, pieces), threads, team)


def gradients(
    operands: Operands, times: int, plan: Plan, address: Coordinates, *, threads: int, team: Team = crew
) -> None:
    """Write the gradients of `x` and of the weight; args are those of `multiply`."""
    width = plan.where.shape[2]
    # Columns in groups of 64, whose draws come together: two pieces a thread, of two groups at least.
    groups = -(-width // 64)
    chunk = 64 * min(max(2, groups // (2 * threads)), connect.TILE // 64)
    chunk = chunk if width > chunk else width
    _run("connect_backward", operands, times, plan, address, (chunk, -(-width // chunk)), threads, team)


def _run(
    name: str,
    operands: Operands,
    times: int,
    plan: Plan,
    address: Coordinates,
    cut: tuple[int, int],
    threads: int,
    team: Team,
) -> None:
    where = plan.where
    examples, rows = _starts(where)
    seed, site, step, draw = address
    block = _Block(
        operands.x, operands.weight, operands.y, operands.x_gradient, operands.weight_gradient,
        examples.ctypes.data, rows.ctypes.data, where.shape[0], times, *where.shape[1:], _is_whole(where),
        *cut, 0, plan.threshold, bits(plan.scale), draw << 16, site, step,
        seed & 0xFFFFFFFF, seed >> 32,
    )  # fmt: skip
    batch, out, width = where.shape
    threads = max(1, min(threads, cut[1], batch * out * width // GRAIN))
    found = kernel(name, operands.dtype)
    together(found, block, threads, team, (examples, rows, operands))


def _starts(where: Layout) -> tuple[I64, I64]:
    """The element at which each example starts, and within it each row."""
    _, out, width = where.logical_shape
    examples, rows, first = where.index
    return _ids(examples, where.shape[0]) * (out * width), _ids(rows, where.shape[1]) * width + first


def _ids(index: int | I64, size: int) -> I64:
    return np.arange(index, index + size, dtype=np.int64) if isinstance(index, int) else index


def _is_whole(where: Layout) -> bool:
    """Whether the rows of an example follow each other without a gap."""
    return isinstance(where.index[1], int) and where.shape[2] == where.logical_shape[2]
