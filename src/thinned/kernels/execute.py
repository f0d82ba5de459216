"""Run a plan on flat arrays: the one door between front ends and the CPU kernels."""

from typing import Any

import numpy as np
import numpy.typing as npt

from thinned.kernels.compiled import kernel
from thinned.kernels.cpu import ADD, DROP, RELU
from thinned.kernels.pool import run
from thinned.mask.plan import Plan

__all__ = ["ADD", "DROP", "GRAIN", "RELU", "relu_gradient", "thin"]

GRAIN = 1 << 15
"""Fewest elements worth waking another thread for: about ten microseconds of work."""

Flat = npt.NDArray[Any]
Coordinates = tuple[int, int, int, int]
"""Seed, site, step, draw: checked integers."""


def thin(
    op: int,
    x: Flat,
    y: Flat,
    plan: Plan,
    address: Coordinates,
    *,
    residual: Flat | None = None,
    threads: int,
) -> None:
    """Write `y = k x s` (or its fused forms) for the mask at an address.

    Args:
        op: `DROP`, `RELU` or `ADD`; `ADD` needs `residual`.
        x: flat C-contiguous array in the plan's row-major order; bfloat16 as uint16, float16 as int16.
        y: the output, like `x`; may be `x` itself, or share no byte with it.
        plan: the decisions; `plan.where.shape` has as many elements as `x`.
        address: seed, site, step, draw.
        residual: what `ADD` adds, like `x`.
        threads: at most so many, the caller's own among them.
    """
    if not x.size:
        return
    rows = plan.rows()
    seed, site, step, draw = address
    factor = plan.scale if x.dtype == np.float64 else np.float32(plan.scale)
    piece = kernel("thin", x.dtype)
    first = (op, x, y if residual is None else residual, y, y is x, rows.bases, rows.run, rows.inner)
    last = (plan.threshold, factor, draw, site, step, seed & 0xFFFFFFFF, seed >> 32)
    size, grain = len(rows.bases) * rows.run, max(1, GRAIN // rows.inner)
    if threads == 1 or size < 2 * grain:
        # `run` would do the same, for a microsecond more: as long as two thousand elements take.
        piece(*first, 0, size, *last)
        return
    run(lambda low, high: piece(*first, low, high, *last), size, threads=threads, grain=grain)


def relu_gradient(gradient: Flat, output: Flat, result: Flat, scale: float, *, threads: int) -> None:
    """Write the gradient of `y = k relu(x) s`, given `y`: `gradient * s` where `y` is not zero.

    Args:
        gradient: flat, as `thin` takes it.
        output: `y`, like `gradient`.
        result: written, like `gradient`.
        scale: s.
        threads: at most so many.
    """
    factor = scale if gradient.dtype == np.float64 else np.float32(scale)
    piece = kernel("relu_gradient", gradient.dtype)
    if threads == 1 or gradient.size < 2 * GRAIN:
        piece(gradient, output, result, 0, gradient.size, factor)
        return
    run(
        lambda low, high: piece(gradient, output, result, low, high, factor),
        gradient.size,
        threads=threads,
        grain=GRAIN,
    )
