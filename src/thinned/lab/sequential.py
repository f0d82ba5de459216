"""How many seeds a question needs: from a pilot, or by looking again and again and stopping when it is decided.

Whoever adds seeds until p < 0.05 finds something in the end. A sequential design fixes beforehand when it looks,
and widens the intervals so that *all* of them, at every look and in every comparison, hold the true differences in
at least 95 % of all studies. Then any rule may stop it, and what it then says has the stated chance of error.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from thinned.errors import ConfigurationError
from thinned.lab.statistics import LEVEL, POWER, Interval, alike, paired_interval, smallest_detectable

GROWTH = 1.5
"""From one look to the next: more looks stop sooner and widen the intervals."""

STUDIES = 200_000
"""Simulated studies without any effect, from which the width of the intervals is computed."""

SPREAD = 0.8
"""Of the upper limit for the spread that a pilot shows, in `seeds_needed`."""

MOST = 100_000
"""Seeds that no study will run."""

Ruling = Literal["shown", "small", "open"]
"""Of one comparison: the interval excludes 0; it lies within the difference that matters; or neither."""


@dataclass(frozen=True, slots=True)
class Until:
    """Seeds until every comparison is decided: a difference is shown, or shown to be smaller than what matters.

    At `looks()` seeds, and nowhere between, each arm's mean difference from the first gets a repeated confidence
    interval

        mean +- t(1 - a / 2, n - 1) * s / sqrt(n)

    where a, one number for all looks, is such that in normal differences without any effect |t| passes its bound
    at one look or more with probability 5 % divided by the number of comparisons. a is computed by simulation, from
    the distribution of the looks' t, which depends on nothing unknown. A comparison is decided where its interval
    excludes 0, or lies within (-difference, difference). Both errors together have a chance of at most 5 %.

    Args:
        difference: the smallest that matters, above 0, in the unit of what is compared; of accuracy, in percentage
            points.
        most: seeds at the last look, decided or not; a part of the design, which no later run may change.
        first: seeds at the first look, the pilot; at least 3.

    Raises:
        ConfigurationError: what is no such design.

    Example:
        >>> Until(0.5).looks()
        (5, 8, 12, 18, 27, 41, 60)

    References:
        Pocock, "Group sequential methods in the design and analysis of clinical trials", 1977,
        https://doi.org/10.1093/biomet/64.2.191.
        Jennison & Turnbull, "Interim analyses: the repeated confidence interval approach", 1989,
        https://doi.org/10.1111/j.2517-6161.1989.tb01433.x.
    """

    difference: float
    most: int = 60
    first: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.difference < math.inf:
            raise ConfigurationError(
                f"expected a difference above 0, the smallest that matters; got {self.difference}."
            )
        if self.first < 3 or self.most < self.first:
            raise ConfigurationError(
                f"expected a first look at 3 seeds or more, and a last one no earlier; got {self.first} and "
                f"{self.most}."
            )

    def looks(self) -> tuple[int, ...]:
        """At how many seeds it looks."""
        found = [self.first]
        while found[-1] * GROWTH < self.most:
            found.append(math.ceil(found[-1] * GROWTH))
        return (*found, self.most) if found[-1] < self.most else tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as a record holds them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Until":
        """What `as_json` wrote."""
        return cls(float(values["difference"]), int(values["most"]), int(values["first"]))

    def interval(self, values: Sequence[float], comparisons: int = 1) -> Interval:
        """The repeated confidence interval of one comparison at a look.

        Args:
            values: the paired differences of all seeds so far, at least two.
            comparisons: how many are judged together.
        """
        plain = paired_interval(values)
        level = 1 - self.nominal(comparisons)
        error = 0.0 if alike(values) else float(np.std(values, ddof=1)) / math.sqrt(plain.n)
        half = float(special.stdtrit(plain.n - 1, (1 + level) / 2)) * error
        detectable = smallest_detectable(plain.n, level=level) * error
        p = min(1.0, comparisons * self._chance(plain.p or 0.0))
        return Interval(plain.estimate, plain.estimate - half, plain.estimate + half, plain.n, detectable, p)

    def nominal(self, comparisons: int = 1) -> float:
        """The a of the formula above: what each look's own t test may use of the 5 %.

        Example:
            >>> 0.010 < Until(0.5).nominal() < 0.020
            True
        """
        smallest = _smallest(self.looks())
        return float(smallest[max(int((1 - LEVEL) / comparisons * (STUDIES + 1)) - 1, 0)])

    def _chance(self, p: float) -> float:
        """With which probability a study without effect shows a p as small at any of its looks."""
        return float(np.searchsorted(_smallest(self.looks()), p, side="right") + 1) / (STUDIES + 1)

    def ruling(self, interval: Interval) -> Ruling:
        """What an interval decides.

        Values without any spread decide nothing: a few runs may agree by chance, and normal differences never do.
        """
        if interval.low == interval.high:
            return "open"
        if interval.excludes_zero:
            return "shown"
        return "small" if max(-interval.low, interval.high) < self.difference else "open"


@dataclass(frozen=True, slots=True)
class Look:
    """Where a sequential study is.

    Args:
        seeds: how many are looked at; 0 before the first look.
        intervals: of each comparison that has two values or more.
        rulings: of each comparison.
        next: at how many seeds the next look is; None where it has stopped.
    """

    seeds: int
    intervals: Mapping[str, Interval]
    rulings: Mapping[str, Ruling]
    next: int | None

    @property
    def decided(self) -> bool:
        """Whether every comparison is."""
        return bool(self.rulings) and "open" not in self.rulings.values()


def look(until: Until, done: Iterable[int], differences: Mapping[str, Mapping[int, float]]) -> Look:
    """The latest look that may be taken: the first at which all is decided, or the last that the seeds reach.

    Seeds beyond it, which an earlier study may have left, do not count: the answer is that of the design.

    Args:
        until: the design.
        done: seeds whose runs are all there.
        differences: of each comparison, the paired difference at each seed that has one.
    """
    there, found = set(done), Look(0, {}, {}, until.first)
    looks = until.looks()
    for seeds, following in zip(looks, (*looks[1:], None), strict=True):
        if not there >= set(range(seeds)):
            break
        values = {
            name: [value for seed, value in sorted(each.items()) if seed < seeds]
            for name, each in differences.items()
        }
        intervals = {
            name: until.interval(each, len(differences)) for name, each in values.items() if len(each) > 1
        }
        rulings: dict[str, Ruling] = {
            name: until.ruling(intervals[name]) if name in intervals else "open" for name in differences
        }
        found = Look(seeds, intervals, rulings, following)
        if found.decided:
            return Look(seeds, intervals, rulings, None)
    return found


@cache
def _smallest(looks: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The smallest of the looks' p-values in each of many studies without effect, sorted.

    The sum of new standard normals is normal, and the squares about their mean are chi-squared, independent of it:
    two draws a look, however many seeds lie between.
    """
    draws = np.random.default_rng(0)
    total, squares, before = np.zeros(STUDIES), np.zeros(STUDIES), 0
    smallest = np.ones(STUDIES)
    for n in looks:
        new, before = n - before, n
        fresh = draws.normal(scale=math.sqrt(new), size=STUDIES)
        squares += fresh**2 / new + (draws.chisquare(new - 1, STUDIES) if new > 1 else 0)
        total += fresh
        t = total / np.sqrt(n * (squares - total**2 / n) / (n - 1))
        smallest = np.minimum(smallest, 2 * special.stdtr(n - 1, -np.abs(t)))
    return np.sort(smallest)


@dataclass(frozen=True, slots=True)
class Needed:
    """How many seeds a fixed design needs.

    Args:
        seeds: if the pilot's spread is the true one.
        cautious: if it is the upper limit of its 80 % confidence interval on one side; a pilot of five seeds shows
            too small a spread in more than half of all cases.
        spread: of the pilot's differences, their standard deviation.
        difference: that would be shown.
    """

    seeds: int
    cautious: int
    spread: float
    difference: float


def seeds_needed(pilot: Sequence[float], difference: float, *, power: float = POWER) -> Needed:
    """From a pilot's paired differences: how many seeds show a true difference with probability `power`.

    The smallest n at which Student's two-sided test at 5 % finds it. The cautious figure puts for the pilot's
    spread s

        s * sqrt((n - 1) / chi2(0.2, n - 1)).

    Args:
        pilot: at least two values, which differ.
        difference: above 0, in their unit.
        power: of the test.

    Raises:
        ConfigurationError: a difference that is not above 0, or a pilot without spread.

    Example:
        >>> seeds_needed([0.1, -0.4, 0.6, 0.2, 0.0], difference=0.3)
        Needed(seeds=14, cautious=30, spread=0.3605..., difference=0.3)

    References:
        Browne, "On the use of a pilot sample for sample size determination", 1995,
        https://doi.org/10.1002/sim.4780141709.
    """
    if not 0 < difference < math.inf:
        raise ConfigurationError(
            f"expected a difference above 0, the smallest that matters; got {difference}."
        )
    spread = spread_of(pilot)
    if not 0 < spread < math.inf:
        raise ConfigurationError(
            f"expected a pilot of differences that differ; got {list(pilot)!r}. Run more seeds, or a harder task."
        )
    freedom = len(pilot) - 1
    wider = spread * math.sqrt(freedom / float(stats.chi2.ppf(1 - SPREAD, freedom)))
    return Needed(_count(difference / spread, power), _count(difference / wider, power), spread, difference)


def spread_of(values: Sequence[float]) -> float:
    """The standard deviation of a pilot's differences; 0 where there are not two of them that differ."""
    if len(values) < 2 or min(values) == max(values):
        return 0.0
    return float(np.std(np.asarray(values, np.float64), ddof=1))


def _count(effect: float, power: float) -> int:
    """The smallest n at which an effect of so many standard deviations is found."""
    low, high = 1, 2
    while high < MOST and smallest_detectable(high, power=power) > effect * math.sqrt(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = smallest_detectable(middle, power=power) <= effect * math.sqrt(middle)
        low, high = (low, middle) if enough else (middle, high)
    return high
