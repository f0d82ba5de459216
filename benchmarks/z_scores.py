"""A hundred million draws through the CPU kernel, as z scores: how far from chance, in standard errors.

    python benchmarks/z_scores.py [--draws 100000000]

Each line is a share of independent events whose chance under the law is p, so

    z = (share - p) / sqrt(p (1 - p) / n)

is very nearly standard normal. By the union bound the largest of the 33 exceeds 3.0 with chance at most 0.09,
and 5.6 with chance at most 1e-6. Philox is fixed, so every run prints the same.
"""

import argparse
import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from thinned.kernels.execute import DROP, thin
from thinned.kernels.pool import default_threads
from thinned.mask import Address, quantise
from thinned.methods.dropout import plan

Mask = npt.NDArray[np.bool_]

CHUNK = 1 << 22
RATES = (0.1, 0.5, 0.9)
LAGS = (1, 2, 7, 8)
NEIGHBOURS = {
    "site": Address(0, site=1),
    "step": Address(0, step=1),
    "draw": Address(0, draw=1),
    "seed": Address(1),
    "seed + 2^32": Address(1 << 32),
}


def mask(start: int, size: int, draws: int, rate: float, address: Address) -> Mask:
    """A stretch of the mask, as the kernel drops it from ones."""
    ones = np.ones(size, np.float32)
    where = plan((size,), rate, window=((draws,), (start,)))
    coordinates = (address.seed, address.site, address.step, address.draw)
    thin(DROP, ones, ones, where, coordinates, threads=default_threads())
    return np.asarray(ones != 0)


def events(start: int, size: int, draws: int, rate: float) -> Iterator[tuple[str, float, Mask]]:
    """Name, chance under the law, and what happened, for one stretch."""
    q = 1 - quantise(rate)
    agree = q**2 + (1 - q) ** 2
    here = mask(start, size, draws, rate, Address(0))
    yield "kept", q, here
    yield "a whole block kept or dropped", q**8 + (1 - q) ** 8, _unanimous(here)
    for lag in LAGS:
        pairs = here[: size // (2 * lag) * 2 * lag].reshape(-1, 2, lag)
        yield f"agrees with the element {lag} on", agree, pairs[:, 0] == pairs[:, 1]
    for name, address in NEIGHBOURS.items():
        yield f"agrees with the next {name}", agree, here == mask(start, size, draws, rate, address)


def _unanimous(here: Mask) -> Mask:
    blocks = here[: here.size // 8 * 8].reshape(-1, 8)
    return np.asarray(blocks.all(axis=1) | ~blocks.any(axis=1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="z scores of masks from the CPU kernel")
    parser.add_argument("--draws", type=int, default=10**8)
    draws = parser.parse_args().draws
    largest = 0.0
    for rate in RATES:
        counts: Counter[tuple[str, float]] = Counter()
        sizes: Counter[tuple[str, float]] = Counter()
        for start in range(0, draws, CHUNK):
            for name, p, happened in events(start, min(CHUNK, draws - start), draws, rate):
                counts[name, p] += int(np.count_nonzero(happened))
                sizes[name, p] += happened.size
        for (name, p), n in sizes.items():
            share = counts[name, p] / n
            z = (share - p) / math.sqrt(p * (1 - p) / n)
            largest = max(largest, abs(z))
            print(f"rate {rate}  {name:32}  n {n:>11,}  p {p:.8f}  share {share:.8f}  z {z:+.2f}")
    print(f"largest |z| {largest:.2f}")


if __name__ == "__main__":
    main()
