"""Run a plan of any law on memory: the second door between front ends and the CPU kernels, beside `execute`."""

from functools import lru_cache

import numpy as np

from thinned.kernels import noise
from thinned.kernels.block import give, take
from thinned.kernels.compiled import Kernel, kernel
from thinned.kernels.execute import ASLEEP, GRAIN, Coordinates, Team, crew, cut, together
from thinned.methods.law import WRITE, LawPlan

__all__ = ["run"]


def run(
    dtype: str,
    x: int,
    y: int,
    size: int,
    plan: LawPlan,
    address: Coordinates,
    *,
    threads: int,
    team: Team = crew,
    owners: tuple[object, ...],
) -> None:
    """Write what a plan says, for memory by its addresses.

    Args:
        dtype: float32, float64, bfloat16 or float16.
        x: address of the input, `size` values in the plan's row-major order; read by no plan that only writes.
        y: address of the output; may be `x`, or share no byte with it.
        size: how many elements `plan.where.shape` has.
        plan: the decisions.
        address: seed, site, step, draw.
        threads: at most so many, the caller's own among them.
        team: who runs them.
        owners: what keeps the memory alive.
    """
    if not size:
        return
    code, threads, before, after, kept = _job(plan, dtype, threads, team is crew)
    seed, site, step, draw = address
    in_place = x == y and plan.setting.combine != WRITE
    block = take(
        x, before[0], y, size, *before[1:], in_place, *after, draw, site, step, seed & 0xFFFFFFFF, seed >> 32,
    )  # fmt: skip
    together(code, block, threads, team, (kept, owners))
    give(block)


@lru_cache(maxsize=256)
def _job(
    plan: LawPlan, dtype: str, threads: int, asleep: bool
) -> tuple[Kernel, int, tuple[int, ...], tuple[int, ...], object]:
    """What the calls of one plan have in common: kernel, threads, words of the block, and what keeps them alive."""
    rows, setting = plan.rows(), plan.setting
    numbers = np.array([setting.a, setting.b, setting.c])
    size = len(rows.bases) * rows.run
    grain = GRAIN * ASLEEP if asleep else GRAIN
    threads, piece = cut(size, max(1, grain // rows.inner), threads)
    operation = setting.draw | setting.combine << noise.COMBINE
    before = numbers.__array_interface__["data"][0], rows.address, len(rows.bases), operation
    after = rows.run, rows.inner, size, piece, 0, setting.level, 0
    return kernel("law", dtype), threads, before, after, (rows, numbers)
