"""Differences between arms, seed by seed: any weighted sum of them, judged together so that none is luck.

A contrast gives each arm a weight, and its value at a seed is the weighted sum of what the arms reached there:

    d_s = sum_a w_a y_as

`{"dropout": 1, "none": -1}` is a paired difference, four arms with weights 1, -1, -1, 1 an interaction, and weights
over a row of widths its slope. The values of a contrast are one number a seed, so one Student interval serves all.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from thinned.lab.comparison import TEST_ACCURACY, Metric
from thinned.lab.records import Record
from thinned.lab.statistics import LEVEL, Interval, holm, paired_interval

Weights = Mapping[str, float]
"""Of each arm that takes part."""

Runs = dict[str, dict[int, float]]
"""What each arm reached, by seed."""

ALPHA = 1 - LEVEL
"""The chance that a family of contrasts without any effect makes a claim."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """A weighted sum of arms over the seeds at which all of them finished.

    Args:
        name: of what is compared.
        values: at each seed, in the metric's unit.
        interval: of their mean, by itself at 95 %; None where there are fewer than two.
        p: two-sided, of Student's t test that the mean is 0, by itself; 1 where there is no interval.
        adjusted: the same after Holm's correction for the whole family.
    """

    name: str
    values: tuple[float, ...]
    interval: Interval | None
    p: float
    adjusted: float

    @property
    def sign(self) -> int:
        """1 or -1 where the family's correction leaves a claim, else 0."""
        if self.interval is None or self.adjusted >= ALPHA:
            return 0
        return 1 if self.interval.estimate > 0 else -1

    def show(self, metric: Metric = TEST_ACCURACY) -> str:
        """The estimate with its interval, as a sentence has it.

        Example:
            >>> contrast({"x": {0: 1.0, 1: 2.0, 2: 3.0}}, "x", {"x": 1}).show()
            '+2.00 (-0.48 to +4.48)'
        """
        return "no figure yet" if self.interval is None else metric.show_interval(self.interval, signed=True)


def runs_of(records: Iterable[Record], metric: Metric = TEST_ACCURACY) -> Runs:
    """What each arm reached at each seed, in the metric's unit; a run that diverged reached nothing."""
    found: Runs = {}
    for record in records:
        by_seed = found.setdefault(record.arm, {})
        if record.final:
            by_seed[record.seed] = metric.of(record)
    return found


def values_of(runs: Runs, weights: Weights) -> dict[int, float]:
    """The contrast at each seed at which every arm with a weight finished.

    Example:
        >>> values_of({"a": {0: 1.0, 1: 2.0}, "b": {1: 5.0}}, {"a": -1, "b": 1})
        {1: 3.0}
    """
    arms = [arm for arm, weight in weights.items() if weight]
    seeds = set.intersection(*(set(runs.get(arm, ())) for arm in arms)) if arms else set()
    return {seed: math.fsum(weights[arm] * runs[arm][seed] for arm in arms) for seed in sorted(seeds)}


def contrast(runs: Runs, name: str, weights: Weights) -> Contrast:
    """One contrast by itself: a family of one.

    Example:
        >>> runs = {"none": {0: 97.0, 1: 96.0}, "half": {0: 97.0, 1: 96.0}}
        >>> contrast(runs, "equal", difference("half", "none")).sign
        0
    """
    return family(runs, {name: weights})[0]


def family(runs: Runs, members: Mapping[str, Weights]) -> tuple[Contrast, ...]:
    """Contrasts that are judged together.

    With Holm's correction the chance of even one wrong claim is at most 5 %, however the contrasts depend on each
    other. The intervals are each contrast's own, and so narrower than what a claim needs.

    Args:
        runs: what each arm reached.
        members: of each contrast, the weights.

    References:
        Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979, https://www.jstor.org/stable/4615733.
    """
    return judged({name: tuple(values_of(runs, weights).values()) for name, weights in members.items()})


def judged(members: Mapping[str, Sequence[float]]) -> tuple[Contrast, ...]:
    """Contrasts that are judged together, given their values at each seed."""
    found = {name: paired_interval(values) for name, values in members.items() if len(values) > 1}
    chances = {name: _p(interval) for name, interval in found.items()}
    adjusted = dict(zip(chances, holm(list(chances.values())), strict=True)) if chances else {}
    return tuple(
        Contrast(name, tuple(values), found.get(name), chances.get(name, 1.0), adjusted.get(name, 1.0))
        for name, values in members.items()
    )


def chance(values: Sequence[float]) -> float:
    """The p-value of Student's two-sided test that the mean of independent values is 0.

    Where all values are equal there is no spread to judge by: accuracies are counts, and a few runs may agree. Then
    it is that of the sign test, or 1 where they are 0.

    Example:
        >>> round(chance([1.0, 2.0, 3.0]), 4), chance([0.0, 0.0]), chance([0.5, 0.5])
        (0.0742, 1.0, 0.5)
    """
    return _p(paired_interval(values)) if len(values) > 1 else 1.0


def _p(interval: Interval) -> float:
    return 1.0 if interval.p is None else interval.p


def difference(treated: str, control: str) -> dict[str, float]:
    """The weights of treated minus control; nothing, where they are the same arm."""
    return {} if treated == control else {treated: 1.0, control: -1.0}


def interaction(both: str, first: str, second: str, neither: str) -> dict[str, float]:
    """The weights of what two treatments do together beyond the sum of what each does alone."""
    return {both: 1.0, first: -1.0, second: -1.0, neither: 1.0}


def mean_of(members: Sequence[Weights]) -> dict[str, float]:
    """The weights of the mean of several contrasts.

    Example:
        >>> mean_of([{"a": 1, "none": -1}, {"b": 1, "none": -1}])
        {'a': 0.5, 'none': -1.0, 'b': 0.5}
    """
    found: dict[str, float] = {}
    for weights in members:
        for arm, weight in weights.items():
            found[arm] = found.get(arm, 0.0) + weight / len(members)
    return found


def slope(members: Mapping[float, Weights]) -> dict[str, float]:
    """The weights of the least-squares slope of several contrasts over their positions.

        b = sum_i (x_i - mean x) d_i / sum_i (x_i - mean x)^2

    Args:
        members: at each of at least two positions, the weights of the contrast there.

    Example:
        >>> slope({0.0: {"a": 1}, 1.0: {"b": 1}})
        {'a': -1.0, 'b': 1.0}
    """
    mean = math.fsum(members) / len(members)
    spread = math.fsum((x - mean) ** 2 for x in members)
    found: dict[str, float] = {}
    for x, weights in members.items():
        for arm, weight in weights.items():
            found[arm] = found.get(arm, 0.0) + (x - mean) / spread * weight
    return found
