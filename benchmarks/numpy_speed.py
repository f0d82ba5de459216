"""NumPy's way to drop beside ours, as ratios in one process; see PROTOCOL.md."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
from measure import Row, compare, run

import thinned.numpy

F32 = npt.NDArray[np.float32]


def usual(x: F32, rng: np.random.Generator) -> F32:
    """What people write."""
    return x * (rng.random(x.shape) >= 0.5) / 0.5


def forward() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    for power in (16, 20, 24):
        x = np.ones(1 << power, np.float32)
        yield compare(
            f"forward, float32, 2^{power}",
            partial(thinned.numpy.dropout, x, 0.5, seed=0),
            "x * (rng.random(n) >= p) / (1 - p)",
            partial(usual, x, rng),
            10,
        )


if __name__ == "__main__":
    run("numpy", {"forward": forward}, [])
