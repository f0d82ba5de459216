"""The minibatches that every framework sees, in the same order: the shuffle is a function of an address too."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from thinned.mask.address import Address
from thinned.mask.truth import words

I64: TypeAlias = npt.NDArray[np.int64]

SITE = "shuffle"


def order(count: int, *, seed: int, epoch: int) -> I64:
    """A permutation of `count` examples: those whose 32-bit words sort them, at site "shuffle", step `epoch`.

    Integers, not normal or uniform draws: no library rounds them in its own way. Equal words, of which 60,000
    examples have about 0.4 pairs, keep their order.

    Example:
        >>> order(5, seed=0, epoch=0), order(5, seed=0, epoch=1)
        (array([1, 4, 0, 2, 3]), array([1, 0, 2, 4, 3]))
    """
    draws = words(np.arange(count), Address(seed, SITE, epoch))
    return np.argsort(draws, kind="stable")


def per_epoch(count: int, batch: int) -> int:
    """Whole minibatches in an epoch; what fills none is left out, so that all have one shape."""
    return count // batch


def batches(count: int, batch: int, steps: int, seed: int) -> Iterator[I64]:
    """The rows of each of `steps` minibatches, epoch after epoch."""
    each = per_epoch(count, batch)
    for step in range(steps):
        epoch, place = divmod(step, each)
        if place == 0:
            rows = order(count, seed=seed, epoch=epoch)
        yield rows[place * batch :][:batch]
