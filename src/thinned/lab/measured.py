"""What measures found inside the networks of an arm: by seed at the end, or by seed at each epoch."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from thinned.lab.answer import Cell, Series, rounded, shown
from thinned.lab.records import Record
from thinned.lab.statistics import Interval, mean_interval

BySeed = dict[int, float]
"""A number for each seed."""


def final(records: Iterable[Record], arm: str, name: str, factor: float = 1.0) -> BySeed:
    """What the finished runs of an arm ended with, of those that have it."""
    return {
        record.seed: record.final[name] * factor
        for record in records
        if record.arm == arm and name in record.final
    }


def by_epoch(records: Iterable[Record], arm: str, name: str, factor: float = 1.0) -> list[BySeed]:
    """The same after each epoch, of the finished runs."""
    runs = [record for record in records if record.arm == arm and record.final]
    longest = max((len(run.epochs) for run in runs), default=0)
    return [
        {
            run.seed: run.epochs[k][name] * factor
            for run in runs
            if k < len(run.epochs) and name in run.epochs[k]
        }
        for k in range(longest)
    ]


def together(function: Callable[..., float], *columns: Mapping[int, float]) -> BySeed:
    """A function of several numbers at each seed that has all of them.

    Example:
        >>> together(lambda a, b: a - b, {0: 3.0, 1: 5.0}, {1: 1.0, 2: 7.0})
        {1: 4.0}
    """
    seeds = set.intersection(*(set(column) for column in columns)) if columns else set()
    return {seed: function(*(column[seed] for column in columns)) for seed in sorted(seeds)}


def interval(values: Mapping[int, float]) -> Interval | None:
    """The mean over seeds, or None where there are fewer than two."""
    return mean_interval(tuple(values.values())) if len(values) > 1 else None


def series(name: str, x: Sequence[float | str], columns: Sequence[Mapping[int, float]]) -> Series:
    """A line, or rows, of means over seeds; an x with fewer than two seeds is left out."""
    found = [
        (at, mean, tuple(column.values()))
        for at, column in zip(x, columns, strict=True)
        if (mean := interval(column)) is not None
    ]
    return Series(
        name,
        tuple(at for at, _, _ in found),
        tuple(mean for _, mean, _ in found),
        tuple(r for _, _, r in found),
    )


def curve(name: str, columns: Sequence[Mapping[int, float]]) -> Series:
    """A line over epochs."""
    return series(name, tuple(range(1, len(columns) + 1)), columns)


def cell(values: Mapping[int, float], decimals: int = 2, *, signed: bool = False) -> Cell:
    """The mean over seeds with its interval; empty where there are fewer than two."""
    mean = interval(values)
    return Cell("", float("-inf")) if mean is None else shown(mean, decimals, signed=signed)


def said(mean: Interval | None, decimals: int = 2, *, signed: bool = False, unit: str = "") -> str:
    """A mean with its interval in a sentence.

    Example:
        >>> said(mean_interval([1.0, 2.0, 3.0]), 1, unit=" points")
        '2.0 points (95 % interval -0.5 to 4.5)'
    """
    if mean is None:
        return "not known yet"
    estimate, low, high = (
        rounded(value, decimals, signed=signed) for value in (mean.estimate, mean.low, mean.high)
    )
    return f"{estimate}{unit} (95 % interval {low} to {high})"


def number(value: float, digits: int = 2) -> str:
    """A number of unknown size, with so many digits that count.

    Example:
        >>> number(0.000123), number(3.0), number(1.5e-15)
        ('0.00012', '3', '1.5e-15')
    """
    return f"{value:.{digits}g}"
