"""Where two learning curves cross: the epoch from which one stays ahead, with its interval over the seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from thinned.lab.comparison import Metric
from thinned.lab.records import Record
from thinned.lab.statistics import LEVEL

Curves = npt.NDArray[np.float64]
"""Axes (seed, epoch)."""

SMOOTHED = 5
"""Epochs that each point of a curve is averaged over, to find its crossing: single epochs jump."""

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Crossing:
    """The epoch from which the mean curve of differences is above 0 for good.

    Args:
        epoch: that epoch; 1 where the curve never lies below, and one more than the last where it ends below.
        low: lower end of its interval.
        high: upper end.
    """

    epoch: int
    low: int
    high: int


def curves(records: Sequence[Record], treated: str, control: str, metric: Metric) -> Curves:
    """Treated minus control after each epoch, over the seeds at which both finished."""
    found: dict[str, dict[int, list[float]]] = {treated: {}, control: {}}
    for record in records:
        if record.arm in found and record.final:
            found[record.arm][record.seed] = [epoch[metric.name] * metric.factor for epoch in record.epochs]
    seeds = sorted(set(found[treated]) & set(found[control]))
    return np.array([np.subtract(found[treated][seed], found[control][seed]) for seed in seeds])


def crossing(differences: Curves, level: float = LEVEL) -> Crossing:
    """The last crossing of the mean curve, with its bootstrap interval.

    Seeds are drawn again with replacement, and the crossing of the mean of those drawn is found, `RESAMPLES` times;
    the interval holds the middle `level` of them. The draws are the same at each call.

    Args:
        differences: axes (seed, epoch); treated minus control.
        level: of confidence.

    Example:
        >>> crossing(np.tile(np.arange(-10.5, 10.5), (4, 1)))
        Crossing(epoch=12, low=12, high=12)

    References:
        Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    smooth = smoothed(differences)
    draws = np.random.default_rng(0).integers(len(smooth), size=(RESAMPLES, len(smooth)))
    found = np.array([_ahead_from(smooth[each].mean(0)) for each in draws])
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], method="closest_observation")
    return Crossing(_ahead_from(smooth.mean(0)), int(low), int(high))


def smoothed(values: Curves, width: int = SMOOTHED) -> Curves:
    """Each point the mean of the `width` around it, of fewer at the ends.

    Example:
        >>> smoothed(np.array([[0.0, 3.0, 0.0, 0.0]]), 3)
        array([[1.5, 1. , 1. , 0. ]])
    """
    kernel: npt.NDArray[Any] = np.ones(width)
    counts = np.convolve(np.ones(values.shape[1]), kernel, "same")[: values.shape[1]]
    return np.array([np.convolve(row, kernel, "same")[: len(row)] / counts for row in values])


def _ahead_from(mean: npt.NDArray[np.float64]) -> int:
    """The first epoch, from 1, after the last one that is not above 0."""
    behind = np.flatnonzero(mean <= 0)
    return int(behind[-1]) + 2 if len(behind) else 1
