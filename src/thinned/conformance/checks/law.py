"""The law: how often, on average what, how much, by which factor, shared by whom."""

import numpy as np

from thinned.conformance import likely
from thinned.conformance.bench import CALLS, Bench, Sample
from thinned.conformance.checks.check import wrong
from thinned.conformance.claim import ALPHA, BLOCK, NORMAL, SELECT, UNIFORM
from thinned.conformance.outcome import FailedError, NotApplicableError
from thinned.methods.alpha import affine
from thinned.methods.bounds import stray_of_seen

ROUNDING = 4 * 2.0**-24
"""Relative, of a scale in float32: 1 - p, its quotient, the product, and the comparison's own quotient."""

FINE = 0.001
"""A rate of which a uniform of ten bits, as half types have, drops half as much again."""

RESOLUTION = 2.0**-17
"""How far a rate that is kept in 16 bits may be from the one that was asked for."""


@wrong
def keep_rate(bench: Bench) -> str:
    """The share that is kept is 1 - rate, everywhere.

    Bernstein's bound for n independent draws, and along each axis for every place of it.
    """
    _needs_dropping(bench)
    alarm, measured = bench.alarm / (2 * len(bench.rates) + 1), []
    for rate in bench.rates:
        sample = bench.sample(rate)
        stray = bench.claim.stray_of_kept(sample.independent, rate, alarm)
        if bench.claim.law == BLOCK:
            stray = _stray_of_blocks(sample, alarm)
        measured.append((float(sample.events.mean()), rate, stray))
    for kept, rate, stray in measured:
        expected = bench.claim.chance(rate)
        if not abs(kept - expected) <= stray:
            raise FailedError(
                f"keeps {kept:.4g} where rate {rate:g} was asked",
                f"{expected:g} +- {stray:.2g}",
                "" if bench.claim.law == BLOCK else likely.keep_rate(measured),
            )
    if bench.claim.law == SELECT:
        for rate in bench.rates:
            _same_everywhere(bench.sample(rate), alarm)
        _fine(bench, alarm)
    return "keeps " + ", ".join(f"{kept:.4f} at rate {rate:g}" for kept, rate, _ in measured)


def _stray_of_blocks(sample: Sample, alarm: float) -> float:
    """Each channel of a sample is one draw of a share; where all channels have one mask, each sample is."""
    events = sample.events
    if bool((events == events[:, :, :1]).all()):
        events = events[:, :, :1]
    shares = events.reshape(int(np.prod(events.shape[:3])), -1).mean(axis=1)
    return stray_of_seen(shares.size, float(shares.var(ddof=1)), alarm)


def _fine(bench: Bench, alarm: float) -> None:
    """A rate that a uniform of a half type cannot tell from its neighbours is kept too."""
    if "rates" in bench.subject.lacks:
        return
    sample = bench.sampled(FINE, bench.inputs(), bench.instance(FINE, 2), calls=CALLS)
    kept, expected = float(sample.events.mean()), bench.claim.chance(FINE)
    stray = bench.claim.stray_of_kept(sample.independent, FINE, alarm)
    if abs(kept - expected) > stray:
        raise FailedError(
            f"keeps {kept:.5g} where rate {FINE:g} was asked",
            f"{expected:g} +- {stray:.2g}",
            "nothing is dropped at small rates: is the rate, or the number that is dropped, rounded?"
            if kept == 1
            else "small rates are too coarse: is the mask drawn in half precision?",
        )


def _same_everywhere(sample: Sample, alarm: float) -> None:
    """No row, column or channel is dropped more or less often than the others."""
    events = sample.events
    for axis in range(1, events.ndim):
        others = tuple(each for each in range(events.ndim) if each != axis)
        kept = events.mean(axis=others)
        n = events.size // events.shape[axis]
        stray = sample.claim.stray_of_kept(n, sample.rate, alarm / (events.ndim * events.shape[axis]))
        expected = sample.claim.chance(sample.rate)
        worst = int(np.argmax(abs(kept - expected)))
        if abs(kept[worst] - expected) > stray:
            raise FailedError(
                f"keeps {kept[worst]:.4g} at index {worst} of an axis of {len(kept)}, rate {sample.rate:g}",
                f"{expected:g} +- {stray:.2g} at each index",
                "some places are dropped more often than others: is a part of the array left out?",
            )


@wrong
def mean(bench: Bench) -> str:
    """The mean of the outputs is what the method states: the input, for all that keep the expectation."""
    _needs_moments(bench)
    told = []
    for rate in bench.rates:
        sample = bench.sample(rate)
        z = sample.deviations
        stray = bench.claim.stray_of_mean(z.size, rate, bench.alarm / len(bench.rates))
        found = float((z * np.sign(sample.one_of_each(np.broadcast_to(sample.x, sample.y.shape)))).mean())
        if bench.claim.law == ALPHA or bench.claim.additive:
            found = float(z.mean())
        if not abs(found) <= stray:
            ratio = float((sample.y * sample.x).sum() / (sample.x**2).sum() / len(sample.y))
            raise FailedError(
                f"the mean is {found:+.3g} standard deviations off at rate {rate:g} (output over input "
                f"{ratio:.4g})",
                f"0 +- {stray:.2g}",
                _mean_words(ratio, rate) if bench.claim.law == SELECT else "",
            )
        told.append(f"{found:+.4f}")
    return f"off by {', '.join(told)} standard deviations"


def _mean_words(ratio: float, rate: float) -> str:
    if not np.isfinite(ratio):
        return "the outputs are not finite"
    if abs(ratio - (1 - rate)) < 0.02:
        return "on average the output is 1 - p times the input: was the division by 1 - p forgotten?"
    return f"on average the output is {ratio:.3g} times the input: keep rate and scale do not fit each other"


@wrong
def variance(bench: Bench) -> str:
    """The variance of the outputs is what the method states."""
    _needs_moments(bench)
    told = []
    for rate in bench.rates:
        z = bench.sample(rate).deviations
        stray = bench.claim.stray_of_variance(z.size, rate, bench.alarm / len(bench.rates))
        # Dropout at rate 1/2 has |z| = 1 exactly: nothing is left to chance but float32's rounding.
        stray += 2.0**-20
        found = float((z**2).mean())
        if not abs(found - 1) <= stray:
            raise FailedError(
                f"the variance is {found:.4g} times the stated one at rate {rate:g}", f"1 +- {stray:.2g}"
            )
        told.append(f"{found:.4f}")
    return f"{', '.join(told)} of the stated one"


@wrong
def scale(bench: Bench) -> str:
    """What is kept is multiplied by the method's factor, and what is dropped becomes its constant.

    Tolerance: the roundings of float32, and a rate that is kept in 16 bits.
    """
    if bench.claim.law not in {SELECT, ALPHA}:
        what = "normalised by the kept share" if bench.claim.law == BLOCK else "continuous"
        raise NotApplicableError(f"the factor of {bench.claim.method} is {what}")
    told = []
    for rate in bench.rates:
        sample = bench.sample(rate)
        found, share = _worst_factor(sample)
        right = bench.claim.scale(rate)
        tolerance = ROUNDING + RESOLUTION / (1 - rate)
        if bench.claim.law == ALPHA:
            tolerance *= 8  # the intercept and the floor depend on the rate as much, and are of size 1 to 2
        if not abs(found / right - 1) <= tolerance:
            kept = float(sample.events.mean())
            much = f"{share:.2g} of what is kept is off, and by most" if share < 0.99 else "what is kept is"
            raise FailedError(
                f"{much} multiplied by {found:.6g} at rate {rate:g}",
                f"{right:.6g}, relative error at most {tolerance:.1g}",
                likely.scale(found, rate, kept) if bench.claim.law == SELECT else "",
            )
        told.append(f"{found:.6g} at rate {rate:g}")
    return "times " + ", ".join(told)


def _worst_factor(sample: Sample) -> tuple[float, float]:
    """The factor of a kept element that is farthest from the right one, and how many are as good as it."""
    kept = sample.claim.kept(sample.x, sample.y, sample.rate)
    right = sample.claim.scale(sample.rate)
    if sample.claim.law == SELECT:
        factors = sample.factors[kept]
    else:
        a, b, floor = affine(sample.rate)
        x = np.broadcast_to(sample.x, sample.y.shape)
        factors = right * (1 + np.where(kept, sample.y - (a * x + b), sample.y - floor).ravel())
    if not factors.size:
        raise NotApplicableError("nothing was kept")
    factors = np.where(np.isfinite(factors), factors, np.inf)
    off = abs(factors / right - 1)
    worst = float(off.max())
    return float(factors[np.argmax(off)]), float((off > worst / 2).mean()) if worst else 1.0


@wrong
def granularity(bench: Bench) -> str:
    """Elements share a draw exactly where the method says so."""
    if bench.claim.law == BLOCK:
        return _blocks(bench)
    sample = bench.sample(bench.rate)
    values = (
        sample.y - sample.x if bench.claim.additive else sample.claim.kept(sample.x, sample.y, sample.rate)
    )
    if bench.claim.law in {NORMAL, UNIFORM} and not bench.claim.additive:
        values = np.round(sample.factors, 4)
    found = [axis for axis in range(sample.x.ndim) if _is_constant(values, axis + 1)]
    claimed = [axis for axis in bench.claim.shared if sample.x.shape[axis] > 1]
    if found != claimed:
        raise FailedError(
            "the draw is "
            + (f"shared along axes {', '.join(map(str, found))}" if found else "shared by none"),
            bench.claim.sharing,
            likely.axes(found, sample.x.shape),
        )
    return bench.claim.sharing


def _is_constant(values: np.ndarray, axis: int) -> bool:
    if values.shape[axis] < 2:
        return False
    return bool((values == np.take(values, [0], axis)).all())


def _blocks(bench: Bench) -> str:
    """Dropped elements touch dropped ones far more often than independent ones would."""
    sample = bench.sample(bench.rate)
    dropped = ~bench.claim.kept(sample.x, sample.y, sample.rate)
    both = dropped[..., 1:] & dropped[..., :-1]
    share, alone = float(dropped.mean()), float(both.mean())
    if not alone > 1.5 * share**2 or share in {0.0, 1.0}:
        raise FailedError(
            f"of two neighbours both are dropped with chance {alone:.3g}, and one with {share:.3g}",
            "neighbours that fall together, in blocks",
            "elements are dropped one by one: is the mask of centres widened to blocks?",
        )
    return f"a neighbour of a dropped element is dropped with chance {alone / share:.2f}, not {share:.2f}"


def _needs_dropping(bench: Bench) -> None:
    if not bench.claim.drops:
        raise NotApplicableError(f"{bench.claim.method} drops nothing: its draws are continuous")


def _needs_moments(bench: Bench) -> None:
    if bench.claim.law == BLOCK:
        raise NotApplicableError("the output of DropBlock is a quotient, whose moments are no formula")
