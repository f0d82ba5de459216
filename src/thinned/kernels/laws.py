"""Run a plan of any law on memory: the second door between front ends and the CPU kernels, beside `execute`."""

from functools import lru_cache

import numpy as np

from thinned.kernels import block as slot
from thinned.kernels import noise
from thinned.kernels.execute import Coordinates, Job, Team, crew, in_rows
from thinned.methods.law import WRITE, LawPlan

__all__ = ["run"]


def run(
    dtype: str,
    x: int,
    y: int,
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
        x: address of the input, in the plan's row-major order; read by no plan that only writes.
        y: address of the output; may be `x`, or share no byte with it.
        plan: the decisions.
        address: seed, site, step, draw.
        threads: at most so many, the caller's own among them.
        team: who runs them.
        owners: what keeps the memory alive.
    """
    job, operation, numbers = _ready(plan, dtype, threads, team)
    job.run(operation, x, numbers, y, address, owners)


@lru_cache(maxsize=256)
def _ready(plan: LawPlan, dtype: str, threads: int, team: Team) -> tuple[Job, int, int]:
    """The job of a plan; and of its calls, what the kernel is to do, and where its three numbers are."""
    setting, rows = plan.setting, plan.rows()
    numbers = np.array([setting.a, setting.b, setting.c])
    words, threads = in_rows(rows, threads, team)
    words |= {slot.LEVEL: setting.level, slot.IN_PLACE: setting.combine != WRITE}
    job = Job(("law", dtype), words, threads, team, (rows, numbers))
    return job, setting.draw | setting.combine << noise.COMBINE, numbers.__array_interface__["data"][0]
