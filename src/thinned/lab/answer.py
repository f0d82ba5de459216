"""What a study found, as plain values: a verdict, a sentence, pictures and tables that somebody else draws."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from thinned.lab.statistics import Interval

Kind: TypeAlias = Literal["lines", "intervals", "points"]


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one row of intervals, of a chart.

    Args:
        name: in the legend.
        x: where the values lie, axes (point,): numbers, or names of categories.
        values: at each x, the estimate with its interval, axes (point,).
        runs: at each x, the single runs that the estimate comes from, for those who look closer; axes
            (point, run), where points may have different numbers of runs. Empty for none at all.

    Raises:
        ValueError: as many values, or lists of runs, as there are not x.
    """

    name: str
    x: tuple[float | str, ...]
    values: tuple[Interval, ...]
    runs: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        if len(self.values) != len(self.x) or len(self.runs) not in {0, len(self.x)}:
            raise ValueError(
                f"expected a value for each of the {len(self.x)} x of series {self.name!r}, and runs for each "
                f"or for none; got {len(self.values)} values and {len(self.runs)} lists of runs."
            )


@dataclass(frozen=True, slots=True)
class Chart:
    """Estimates with intervals over one axis.

    Args:
        kind: "lines" (x numbers; a line in the band of its interval), "intervals" (x categories, each a dot
            with its interval, drawn as rows), or "points" (x numbers; dots with intervals, not joined).
        title: what it shows.
        x_label: what x is, with its unit.
        y_label: what the values are, with their unit.
        series: what is drawn, the control first.
        note: what a reader must know to read it right, in a sentence.
        log_x: whether x is drawn by its logarithm.
        reference: a value to draw as a thin straight line, such as 0 for differences.
    """

    kind: Kind
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    note: str = ""
    log_x: bool = False
    reference: float | None = None


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A value for each pair of two axes.

    Args:
        title: what it shows.
        x_label: what the columns are.
        y_label: what the rows are.
        x: of each column.
        y: of each row, the first at the top.
        values: axes (row, column); NaN where there is none.
        shown: what is written in each cell, axes (row, column), such as an estimate with its interval.
        note: what a reader must know to read it right.
        middle: the value at which the colours part, such as 0 for differences; None for one ramp.

    Raises:
        ValueError: rows or columns of another length than the axes.
    """

    title: str
    x_label: str
    y_label: str
    x: tuple[float | str, ...]
    y: tuple[float | str, ...]
    values: tuple[tuple[float, ...], ...]
    shown: tuple[tuple[str, ...], ...]
    note: str = ""
    middle: float | None = None

    def __post_init__(self) -> None:
        for rows in (self.values, self.shown):
            if len(rows) != len(self.y) or any(len(row) != len(self.x) for row in rows):
                raise ValueError(
                    f"expected {len(self.y)} rows of {len(self.x)} cells in heat map {self.title!r}; got rows of "
                    f"{', '.join(str(len(row)) for row in rows) or 'nothing'}."
                )


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: what is written, and what it is sorted by.

    Args:
        text: as it is printed.
        sort: a number, or a text; None sorts by the text.
    """

    text: str
    sort: float | str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table that may be sorted.

    Args:
        title: what it shows.
        columns: the heads, with units.
        rows: axes (row, column); a text, a number, or a `Cell`.
        note: what a reader must know to read it right.

    Raises:
        ValueError: a row of another length than the heads.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"expected {len(self.columns)} cells in each row of table {self.title!r}; got {len(row)}."
                )


Picture: TypeAlias = Chart | HeatMap


@dataclass(frozen=True, slots=True)
class Answer:
    """What a study found.

    Args:
        verdict: one word, in lower case, such as "helped", "hurt", "undecided", "unanswered".
        sentence: the answer in one sentence with figures and their intervals.
        power: how many seeds were run, and the smallest difference that they could have shown.
        charts: the first is the main picture.
        tables: the figures behind them.
        brief: the sentence for those who read many: why the verdict is that, with the main figure and its interval
            alone. Where none is given, it is the sentence.

    Example:
        >>> Answer("unanswered", "There is no answer yet.", "No seed has finished.").brief
        'There is no answer yet.'
    """

    verdict: str
    sentence: str
    power: str
    charts: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    brief: str = ""

    def __post_init__(self) -> None:
        if not self.brief:
            object.__setattr__(self, "brief", self.sentence)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON document; what is no number there, such as an infinity, is None."""
        content: dict[str, Any] = _plain(asdict(self))
        return content


def shown(interval: Interval, decimals: int = 2, *, signed: bool = False) -> Cell:
    """An estimate with its interval as a cell, sorted by the estimate.

    Example:
        >>> shown(Interval(0.416, -0.1, 0.93, 5, 0.7), signed=True).text
        '+0.42 (-0.10 to +0.93)'
    """
    estimate, low, high = (
        rounded(value, decimals, signed=signed) for value in (interval.estimate, interval.low, interval.high)
    )
    return Cell(f"{estimate} ({low} to {high})", interval.estimate)


def rounded(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """A number as it is printed; one that rounds to zero has no minus sign.

    Example:
        >>> rounded(-0.001), rounded(0.5, 1, signed=True)
        ('0.00', '+0.5')
    """
    text = f"{value:{'+' if signed else ''}.{decimals}f}"
    return text.replace("-", "+" if signed else "") if float(text) == 0 else text


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
