"""Independence: of elements, rows, channels, calls and layers.

Two independent events of chance r agree with chance r^2 + (1 - r)^2. Each test counts how often two slices of a
sample agree, over as many draws as they have, and takes its bound from Bernstein's inequality, with the false
alarms shared by all pairs. The chance r is the one that the sample shows, so that a wrong rate is not told as a
dependence; where it may be d off, the expected agreement may be 2 |2 r - 1| d + 2 d^2 off.
"""

import math
from typing import Any

import numpy as np

from thinned.conformance.bench import Bench, Sample
from thinned.conformance.checks.check import wrong
from thinned.conformance.claim import BLOCK
from thinned.conformance.outcome import FailedError, NotApplicableError
from thinned.methods.bounds import stray_of_share

MOST_LAGS = 2**14
"""Distances that are looked at."""

MOST = 256
"""Slices of one axis that are compared pair by pair; of more, the first."""


def _agreement(bench: Bench, slices: Any, what: str, words: str) -> str:
    """Every two of `slices`, axes (slice, draw), agree as often as independent ones do."""
    slices = slices[:MOST]
    count, n = slices.shape
    if count < 2 or n < 1:
        raise NotApplicableError(f"there are no two {what}s to compare")
    alike, slack = _alike(bench) if not _is_block(bench) else _alike_of_blocks(bench, slices)
    signs = slices.astype(np.float32) * 2 - 1
    agree = (signs @ signs.T / n + 1) / 2
    one, other = np.triu_indices(count, 1)
    shares = agree[one, other]
    stray = slack + stray_of_share(n, alike, bench.alarm / (2 * len(shares)))
    worst = int(np.argmax(abs(shares - alike)))
    if abs(shares[worst] - alike) <= stray:
        return f"{len(shares)} pairs agree in {alike:.3g} +- {abs(shares - alike).max():.2g}"
    i, j = int(one[worst]), int(other[worst])
    same = int((abs(shares - alike) > stray).sum())
    raise FailedError(
        f"{what}s {i} and {j} agree in {shares[worst]:.4g} of their draws; of {len(shares)} pairs {same} are not "
        "independent",
        f"{alike:.4g} +- {stray:.2g}",
        words if shares[worst] > 0.999 else "the draws of one follow from those of the other",
    )


def _alike(bench: Bench) -> tuple[float, float]:
    """How often independent events agree, and how far that may be off."""
    share, off = bench.observed()
    return share**2 + (1 - share) ** 2, 2 * abs(2 * share - 1) * off + 2 * off**2


def _alike_of_blocks(bench: Bench, slices: Any) -> tuple[float, float]:
    """The same at the one place of a block that is looked at, which need not be dropped as often as others."""
    share = float(slices.mean())
    if share in {0.0, 1.0}:
        raise NotApplicableError("nothing is dropped there, or everything")
    off = stray_of_share(slices.size, share, bench.alarm / 4)
    return share**2 + (1 - share) ** 2, 2 * abs(2 * share - 1) * off + 2 * off**2


def _drawn(bench: Bench, events: Any) -> Any:
    """Events that are draws of their own: of blocks the middle of each channel, or of one for all."""
    if not _is_block(bench):
        return events
    middle = tuple(size // 2 for size in events.shape[3:])
    channels = slice(1) if bool((events == events[:, :, :1]).all()) else slice(None)
    return events[(slice(None), slice(None), channels, *middle)]


def _slices(events: Any, axis: int) -> Any:
    return np.moveaxis(events, axis, 0).reshape(events.shape[axis], -1)


def _sample(bench: Bench) -> Sample:
    return bench.sample(bench.rate)


def apart(bench: Bench, flat: Any, alarm: float) -> str:
    """Elements of `flat`, axes (call, draw), agree as often as independent ones do, at every distance and mirrored.

    All distances at once are the correlation of an array with itself, and all mirrors its convolution with itself,
    which Fourier transforms give.
    """
    calls, n = flat.shape
    if n < 2:
        raise NotApplicableError("a call has one draw alone")
    alike, slack = _alike(bench)
    signs = flat.astype(np.float64) * 2 - 1
    waves = np.fft.rfft(signs, 2 * n)
    lags = range(1, min(n, MOST_LAGS))
    shifted = np.rint(np.fft.irfft((abs(waves) ** 2).sum(axis=0), 2 * n))
    # Pairs that overlap are dependent: those of every second stretch of `lag` elements are not.
    found = [(f"elements at distance {lag}", shifted[lag], calls * (n - lag), 2) for lag in lags]
    mirrored = np.rint(np.fft.irfft((waves**2).sum(axis=0), 2 * n))
    sums = range(1, min(2 * n - 2, MOST_LAGS))
    for total in sums:
        inside = min(total, 2 * n - 2 - total) + 1
        alone = inside % 2  # the middle is its own mirror image
        pairs = calls * (inside - alone) // 2
        found.append(
            (f"elements that are mirrored at {total / 2:g}", (mirrored[total] - calls * alone) / 2, pairs, 1)
        )
    each = alarm / (2 * len(found))
    worst = max((_excess(alike, slack, *one, each) for one in found), key=lambda told: told[0])
    excess, what, share, bound = worst
    if excess > 1:
        raise FailedError(
            f"{what} agree in {share:.4g}",
            f"{alike:.4g} +- {bound:.2g}",
            "draws are repeated inside the array" if share > alike else "draws exclude each other",
        )
    return f"distances 1 to {lags[-1]} agree in {alike:.3g}, within {excess:.2f} of their bounds"


def _excess(
    alike: float, slack: float, what: str, product: float, pairs: int, classes: int, alarm: float
) -> tuple[float, str, float, float]:
    """How far a share of pairs is from its chance, in bounds; what, the share, and the bound."""
    if pairs < classes:
        return 0.0, what, alike, 1.0
    share = (product / pairs + 1) / 2
    bound = slack + stray_of_share(pairs // classes, alike, alarm / classes)
    return abs(share - alike) / bound, what, share, bound


def _transposed(bench: Bench, events: Any) -> None:
    """The square in the corner of the last two axes is not its own transpose."""
    size = min(events.shape[-2:]) if events.ndim > 2 else 0
    if size < 2:
        return
    square = events[..., :size, :size]
    above = np.triu_indices(size, 1)
    same = (square == np.swapaxes(square, -1, -2))[..., above[0], above[1]]
    alike, slack = _alike(bench)
    bound = slack + stray_of_share(same.size, alike, bench.alarm / 8)
    if abs(float(same.mean()) - alike) > bound:
        raise FailedError(
            f"elements (i, j) and (j, i) agree in {float(same.mean()):.4g}",
            f"{alike:.4g} +- {bound:.2g}",
            "the mask is its own transpose",
        )


@wrong
def elements_independent(bench: Bench) -> str:
    """Elements draw on their own, at every distance, mirrored and transposed."""
    if bench.claim.law == BLOCK:
        raise NotApplicableError("elements of a block fall together")
    events = _sample(bench).events
    for axis in range(events.ndim - 1, 0, -1):
        _counted(
            events.reshape(-1, int(np.prod(events.shape[axis:]))), "call" if axis == 1 else "row", bench.alarm
        )
    _transposed(bench, events)
    return apart(bench, events.reshape(len(events), -1), bench.alarm / 2)


def _counted(groups: Any, what: str, alarm: float) -> None:
    """How many are kept is left to chance too: groups, axes (group, draw), do not all keep one number.

    Of n independent draws no number is kept with a chance above 1 / sqrt(2 e n r (1 - r)) (Herzog 1947); that every
    group keeps the first one's number has that chance once for each other group.
    """
    kept = groups.sum(axis=1)
    n, share = groups.shape[1], float(groups.mean())
    if len(kept) < 2 or share in {0.0, 1.0} or (kept != kept[0]).any():
        return
    spread = n * share * (1 - share)
    most = min(
        1.0, 1 / math.sqrt(2 * math.e * 0.9 * spread)
    )  # of a spread that is a tenth smaller than the seen
    if (len(kept) - 1) * math.log(most) < math.log(alarm / 4):
        raise FailedError(
            f"each of {len(kept)} {what}s keeps {int(kept[0])} of {n} elements",
            f"a number that varies, by {math.sqrt(spread):.2g} as a rule",
            "places are drawn without replacement (randperm, topk): elements exclude each other",
        )


@wrong
def rows_independent(bench: Bench) -> str:
    """No two samples of a batch have masks that depend on each other."""
    if 0 in bench.claim.shared:
        raise NotApplicableError(f"{bench.claim.method} shares its draws over the batch")
    return _agreement(
        bench,
        _slices(_drawn(bench, _sample(bench).events), 1),
        "row",
        "lanes of the batch have the same mask",
    )


@wrong
def channels_independent(bench: Bench) -> str:
    """No two features or channels are dropped together."""
    sample = _sample(bench)
    free = [axis for axis in range(1, sample.x.ndim) if axis not in bench.claim.shared]
    if not free:
        raise NotApplicableError(f"{bench.claim.method} has one draw a sample")
    if _is_block(bench):
        raise NotApplicableError("implementations of DropBlock may share their blocks over channels")
    told = []
    for turn, _ in enumerate(free):
        axis = sample.events.ndim - len(free) + turn
        told.append(_agreement(bench, _slices(sample.events, axis), "column", "features have the same mask"))
    return told[0]


@wrong
def calls_independent(bench: Bench) -> str:
    """No two calls have masks that depend on each other."""
    return _agreement(
        bench, _slices(_drawn(bench, _sample(bench).events), 0), "call", "the same mask is drawn again"
    )


@wrong
def layers_independent(bench: Bench) -> str:
    """Two layers of one model have masks that do not depend on each other."""
    bench.subject.need("layers")
    x = bench.inputs()
    first, second = bench.subject.twin(bench.rate, bench.seed + 2)
    samples = [bench.sampled(bench.rate, x, each, calls=4) for each in (first, second)]
    events = [_drawn(bench, each.events) for each in samples]
    # Also the next call of one with this call of the other: streams that run side by side, one draw apart.
    slices = np.stack([events[0][0], events[1][0], events[0][1], events[1][1]]).reshape(4, -1)
    return _agreement(bench, slices, "layer", "layers start from the same seed: is it a default argument?")


def _is_block(bench: Bench) -> bool:
    return bench.claim.law == BLOCK
