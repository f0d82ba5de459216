"""What a picture shows, in words and as a table: for those who do not see it."""

import math

from thinned.lab.answer import Answer, Cell, HeatMap, Picture, Series, Table, rounded
from thinned.lab.statistics import Interval
from thinned.report.scale import number, said

MOST_DECIMALS = 6
"""Beyond, numbers are written with an exponent."""
MOST_CLAUSES = 2
"""That a sentence is read with in one breath."""

MOST = 8
"""Series, or rows, that a summary names one by one."""


def summary(picture: Picture) -> str:
    """The picture in a few sentences.

    Example:
        >>> from thinned.lab.answer import Chart
        >>> one = Interval(0.41, -0.1, 0.93, 5, 0.7)
        >>> chart = Chart("intervals", "Change", "arm", "points", (Series("", ("dropout",), (one,)),))
        >>> summary(chart)
        'Change: points by arm. dropout 0.41 (-0.10 to 0.93).'
    """
    if isinstance(picture, HeatMap):
        return f"{picture.title}, by {picture.x_label} and {picture.y_label}. {_extremes(picture)}"
    told = [_row(each) if picture.kind == "intervals" else _course(each) for each in picture.series[:MOST]]
    more = len(picture.series) - MOST
    if more > 0:
        told.append(f"And {more} more.")
    axes = f"{picture.y_label}{f' by {picture.x_label}' if picture.x_label else ''}"
    return f"{picture.title}: {axes}. {' '.join(told)}".strip()


def table(picture: Picture) -> Table:
    """Every value of the picture.

    Example:
        >>> from thinned.lab.answer import Chart
        >>> one = Interval(0.41, -0.1, 0.93, 5, 0.7)
        >>> chart = Chart("points", "Change", "rate", "points", (Series("dropout", (0.5,), (one,)),))
        >>> [cell.text for cell in table(chart).rows[0]]
        ['0.5', '0.41 (-0.10 to 0.93)']
    """
    if isinstance(picture, HeatMap):
        return Table(
            picture.title,
            (f"{picture.y_label} \\ {picture.x_label}", *map(said, picture.x)),
            tuple(
                (_head(y), *(Cell(text, _key(value)) for text, value in zip(texts, values, strict=True)))
                for y, texts, values in zip(picture.y, picture.shown, picture.values, strict=True)
            ),
        )
    xs = dict.fromkeys(x for series in picture.series for x in series.x)
    found = [dict(zip(series.x, series.values, strict=True)) for series in picture.series]
    rows = tuple((_head(x), *(_cell(each.get(x)) for each in found)) for x in xs)
    names = tuple(series.name or picture.y_label for series in picture.series)
    return Table(f"{picture.title}: {picture.y_label}", (picture.x_label, *names), rows)


def clauses(sentence: str) -> tuple[str, ...]:
    """The parts of a long sentence that stand by themselves: those between semicolons outside of brackets.

    Example:
        >>> clauses("It helped: by 2 (1; 3) points; of two runs, 1 diverged.")
        ('It helped: by 2 (1; 3) points', 'of two runs, 1 diverged')
    """
    found, depth = [""], 0
    for letter in sentence.removesuffix("."):
        depth += (letter == "(") - (letter == ")")
        if letter == ";" and not depth:
            found.append("")
        else:
            found[-1] += letter
    return tuple(each.strip() for each in found)


def spoken(answer: Answer) -> str:
    """An answer as a terminal has it: its sentence, or, of a long one, the short form and then clause by clause.

    Example:
        >>> print(spoken(Answer("helped", "It helped: a; b; c.", "", brief="It helped: a.")))
        It helped: a.
        <BLANKLINE>
        In full:
        - It helped: a
        - b
        - c
    """
    parts = clauses(answer.sentence)
    if len(parts) <= MOST_CLAUSES or answer.brief == answer.sentence:
        return answer.sentence
    return "\n".join([answer.brief, "", "In full:", *(f"- {part}" for part in parts)])


def interval(value: Interval) -> str:
    """An estimate and where its interval lies, to two digits of its half width; alone where it has none.

    Example:
        >>> interval(Interval(-0.02817, -0.2694, 0.2131, 10, 0.3))
        '-0.03 (-0.27 to 0.21)'
    """
    if not has_interval(value):
        return number(value.estimate)
    half = (value.high - value.low) / 2
    decimals = max(1 - math.floor(math.log10(half)), 0) if half > 0 else MOST_DECIMALS + 1
    show = number if decimals > MOST_DECIMALS else lambda each: rounded(each, decimals)
    return f"{show(value.estimate)} ({show(value.low)} to {show(value.high)})"


def has_interval(value: Interval) -> bool:
    """Whether the ends say more than the estimate; a single run has no interval."""
    return math.isfinite(value.low) and math.isfinite(value.high) and value.n > 1


def _row(series: Series) -> str:
    shown = [f"{said(x)} {interval(value)}" for x, value in zip(series.x, series.values, strict=True)][:MOST]
    more = len(series.x) - MOST
    rest = f"; and {more} more" if more > 0 else ""
    return f"{series.name + ': ' if series.name else ''}{'; '.join(shown)}{rest}."


def _course(series: Series) -> str:
    if not series.x:
        return f"{series.name} has no values."
    ends = [f"{interval(series.values[k])} at {said(series.x[k])}" for k in (0, -1)]
    return f"{series.name or 'It'} goes from {ends[0]} to {ends[1]}." if len(series.x) > 1 else (
        f"{series.name or 'It'} is {ends[0]}."
    )  # fmt: skip


def _extremes(picture: HeatMap) -> str:
    cells = [
        (value, said(x), said(y))
        for y, row in zip(picture.y, picture.values, strict=True)
        for x, value in zip(picture.x, row, strict=True)
        if math.isfinite(value)
    ]
    if not cells:
        return "It has no values yet."
    low, high = min(cells), max(cells)
    places = [f"{number(v)} at {picture.x_label} {x}, {picture.y_label} {y}" for v, x, y in (low, high)]
    return f"The lowest is {places[0]}; the highest is {places[1]}."


def _head(x: float | str) -> Cell:
    return Cell(said(x), x)


def _cell(value: Interval | None) -> Cell:
    return Cell("", math.inf) if value is None else Cell(interval(value), _key(value.estimate))


def _key(value: float) -> float:
    return value if math.isfinite(value) else math.inf
