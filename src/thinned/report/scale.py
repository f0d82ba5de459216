"""Where the x of a chart lie, decided once for every way of drawing it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from thinned.lab.answer import Chart

FEW = 12
"""Up to so many different x, each has its own tick."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis: positions, and what is written there.

    Args:
        places: of each x.
        ticks: positions with their words; empty leaves them to the plotting library.
        log: whether positions are drawn by their logarithm.
        named: whether x are categories.
    """

    places: dict[float | str, float]
    ticks: tuple[tuple[float, str], ...]
    log: bool
    named: bool

    @classmethod
    def of(cls, chart: Chart) -> "Scale":
        """The axis of a chart, over the x of all its series in the order that they come in.

        Example:
            >>> from thinned.lab.answer import Chart
            >>> from thinned.lab.statistics import Interval
            >>> one = Interval(1.0, 0.5, 1.5, 2, 0.1)
            >>> from thinned.lab.answer import Series
            >>> chart = Chart("lines", "", "", "", (Series("a", (0, 0.1, 1), (one,) * 3),), log_x=True)
            >>> [f"{place:g}" for place in Scale.of(chart).places.values()]
            ['0.01', '0.1', '1']
        """
        xs = list(dict.fromkeys(x for series in chart.series for x in series.x))
        if chart.kind == "intervals" or any(isinstance(x, str) for x in xs):
            return cls(
                {x: float(k) for k, x in enumerate(xs)},
                tuple((float(k), said(x)) for k, x in enumerate(xs)),
                log=False,
                named=True,
            )
        numbers = sorted(float(x) for x in xs)
        places: dict[float | str, float] = {x: float(x) for x in xs}
        log = chart.log_x and bool(numbers) and numbers[-1] > 0
        if log:
            low = _left_of(number for number in numbers if number > 0)
            places = {x: place if place > 0 else low for x, place in places.items()}
        ticks = tuple((places[x], said(x)) for x in sorted(xs)) if len(xs) <= FEW else ()
        return cls(places, ticks, log, named=False)


def _left_of(numbers: Iterable[float]) -> float:
    """Where a logarithmic axis has its 0: as far from the first number as that is from the second."""
    first, *rest = numbers
    step = rest[0] / first if rest else 10.0
    return first / max(step, 2.0)


def said(value: float | str) -> str:
    """An x as it is written.

    Example:
        >>> said(0.1 + 0.2), said(60000), said("none")
        ('0.3', '60,000', 'none')
    """
    if isinstance(value, str):
        return value
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.6g}"


def number(value: float) -> str:
    """A value in words, to four digits; one that is none is a dash.

    Example:
        >>> number(97.7184), number(float("nan"))
        ('97.72', '-')
    """
    return f"{value:.4g}" if math.isfinite(value) else "-"
