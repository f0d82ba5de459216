"""What went into dropout and what came out of it, in the network itself, held against the law bit by bit."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from thinned import mask
from thinned.errors import DtypeError
from thinned.lab.frameworks.setting import SITES
from thinned.mask.rate import scale, threshold

Array: TypeAlias = npt.NDArray[Any]
Tap: TypeAlias = tuple[Array, Array]
"""What went into one dropout and what came out."""

_BITS = {"float32": np.uint32, "float64": np.uint64}


def write_truth(
    path: Path, shape: tuple[int, int], rates: Sequence[float], steps: int, seed: int
) -> Iterator[int]:
    """Write `mask.keep` for every step and site, packed; yield each step's number as it is done.

    It takes the NumPy truth longer than all frameworks together, so it is asked once and not in each process.

    Args:
        path: of an .npy file, axes (step, site, byte).
        shape: of one mask.
        rates: of each site.
        steps: from 0.
        seed: the run.
    """
    size = -(-shape[0] * shape[1] // 8)
    out = np.lib.format.open_memmap(path, "w+", np.uint8, (steps, len(SITES), size))

    def write(step: int) -> int:
        for k, (site, rate) in enumerate(zip(SITES, rates, strict=True)):
            out[step, k] = np.packbits(mask.keep(shape, rate, seed=seed, site=site, step=step))
        return step

    with ThreadPoolExecutor(2) as pool:  # NumPy lets go of the interpreter's lock in loops this long
        yield from pool.map(write, range(steps))
    out.flush()


class Ledger:
    """Counts masks, their elements, and the elements that are not the law's.

    An element is the law's if what came out has the bits of `scale * x` where the law keeps it, and those of +0
    where the law drops it. The chain is `h = SHA-256(h, bits)` over every mask as the network shows it: kept is
    what did not come out as +0. The network's rectifier gives -0 where a unit is off, so a kept one is -0, a
    dropped one +0, and no bit of a mask stays hidden.

    Args:
        truth: packed masks, axes (step, site, byte).
        rates: of each site.
        dtype: that the network promised to compute in.

    Raises:
        DtypeError: from `check`, where it does not.

    Example:
        >>> keep = mask.keep((4, 8), 0.5, seed=0, site="drop1")
        >>> ledger = Ledger(np.packbits(keep)[None, None], (0.5,), "float64")
        >>> x = np.full((4, 8), -0.0)
        >>> ledger.check(0, [(x, np.where(keep, x * 2, 0))])
        >>> ledger.check(0, [(x, x * 2)])
        >>> ledger.elements, ledger.mismatches == 32 - int(keep.sum())
        (64, True)
    """

    def __init__(self, truth: Array, rates: Sequence[float], dtype: str) -> None:
        self.masks = self.elements = self.mismatches = 0
        self._truth, self._dtype, self._bits = truth, dtype, _BITS[dtype]
        self._scales = [scale(threshold(rate)) for rate in rates]
        self._chain = self._expected = bytes(32)

    @property
    def chain(self) -> str:
        """Of the masks as the network showed them."""
        return self._chain.hex()

    @property
    def expected(self) -> str:
        """Of the masks as the law has them."""
        return self._expected.hex()

    def check(self, step: int, taps: Sequence[Tap]) -> None:
        """Enter what one step showed at each site."""
        for k, (before, after) in enumerate(taps):
            if before.dtype != self._dtype or after.dtype != self._dtype:
                raise DtypeError(
                    f"expected activations of {self._dtype} at {SITES[k]}; got {before.dtype} and {after.dtype}. "
                    "This framework computes in another precision than it was asked to."
                )
            packed = self._truth[step, k]
            keep = np.unpackbits(packed, count=before.size).reshape(before.shape).astype(np.bool_)
            kept = before * before.dtype.type(self._scales[k])
            wanted = np.where(keep, kept, before.dtype.type(0)).view(self._bits)
            shown = np.ascontiguousarray(after).view(self._bits)
            self.masks += 1
            self.elements += before.size
            self.mismatches += int((shown != wanted).sum())
            self._chain = _link(self._chain, np.packbits(shown != 0))
            self._expected = _link(self._expected, np.asarray(packed))

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "masks": self.masks,
            "elements": self.elements,
            "mismatches": self.mismatches,
            "chain": self.chain,
            "expected": self.expected,
        }


def _link(chain: bytes, bits: Array) -> bytes:
    return hashlib.sha256(chain + bits.tobytes()).digest()
