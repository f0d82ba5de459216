"""What a running study shows: a bar, the time left and the table so far, on a terminal; else nothing."""

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from thinned.lab.comparison import Arm, Metric, compare
from thinned.lab.own_study import metrics_of
from thinned.lab.question import Design
from thinned.lab.records import Record
from thinned.lab.statistics import Interval

PAUSE = 1.0
"""Seconds between two tables: with many arms one takes a moment, in which workers could compute."""

SHOWN = 8
"""Arms in the live table at most; a terminal is not high."""


class Watch(Protocol):
    """Who follows a study while it runs."""

    def study(self, title: str) -> None:
        """One of several studies begins."""

    def begin(
        self, design: Design, records: Sequence[Record], *, epochs: int, runs: int, reused: int, jobs: int
    ) -> None:
        """`runs` trials of `epochs` epochs in all start on `jobs` workers.

        `reused` trials that the design needs are among `records`, which may hold those of others.
        """

    def epoch(self) -> None:
        """One epoch of some trial is done."""

    def recorded(self, record: Record) -> None:
        """A run is saved."""

    def note(self, text: str) -> None:
        """Something that the user should know happened."""


class Silent:
    """Nobody watches; notes go to standard error, since they tell of trouble."""

    def study(self, title: str) -> None:
        """Nothing."""

    def begin(
        self, design: Design, records: Sequence[Record], *, epochs: int, runs: int, reused: int, jobs: int
    ) -> None:
        """Nothing."""

    def epoch(self) -> None:
        """Nothing."""

    def recorded(self, record: Record) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """One line."""
        print(text, file=sys.stderr)


class Terminal:
    """A bar and a small table that live on standard error until the study ends.

    Args:
        console: where to draw.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self._console,
            expand=True,
        )
        self._task = self._bar.add_task("starting", total=None)
        self._live = Live(self._bar, console=self._console, transient=True)
        self._runs = self._done = 0
        self._design: Design | None = None
        self._records: list[Record] = []
        self._drawn = -PAUSE
        self._title = ""

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def study(self, title: str) -> None:
        """Name it before the counts."""
        self._title = f"{title}: "

    def begin(
        self, design: Design, records: Sequence[Record], *, epochs: int, runs: int, reused: int, jobs: int
    ) -> None:
        """Start the bar; a study after another, or a second stage, starts it again."""
        self._runs, self._done = runs, 0
        self._design, self._records = design, list(records)
        self._bar.reset(self._task, total=epochs, description=f"{self._title}starting {jobs} workers")
        self._live.update(self._bar)
        if reused:
            self.note(f"{reused} finished runs are in the records already; {runs} are missing.")

    def epoch(self) -> None:
        """Move the bar."""
        self._bar.update(self._task, advance=1, description=self._counted())

    def recorded(self, record: Record) -> None:
        """Redraw the table, if the last one is not too young."""
        self._done += 1
        self._records.append(record)
        self._bar.update(self._task, description=self._counted())
        if self._design is not None and (self._done == self._runs or time.monotonic() - self._drawn >= PAUSE):
            # Four lines an arm, after the head and the bar: what is longer than the screen loses its end.
            limit = min(SHOWN, max((self._console.height - 4) // 4, 2))
            table = so_far(self._design, self._records, limit=limit)
            self._live.update(Group(self._bar, table))
            self._drawn = time.monotonic()

    def _counted(self) -> str:
        return f"{self._title}{self._done} of {self._runs} runs"

    def note(self, text: str) -> None:
        """One line above the bar."""
        self._console.print(text, highlight=False, markup=False)


def so_far(design: Design, records: Sequence[Record], limit: int | None = None) -> Table:
    """Each arm, and its paired difference from the first: the mean, and under it the 95 % interval.

    Also the table that a finished study of few arms prints; with short names it fits 80 columns.

    Args:
        design: whose arms.
        records: those that there are, of any design.
        limit: how many arms at most; None shows all.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("arm")
    table.add_column("runs", justify="right")
    metrics = metrics_of(design.base)
    for metric in metrics:
        unit = "points" if metric.factor == 100 else metric.unit
        table.add_column(f"{metric.label.removeprefix('generalisation ')}\n{unit}", justify="right")
    found = design.select(records)
    control, *others = _standing(design, found)
    left_out = 0 if limit is None else max(0, len(others) + 1 - limit)
    pairs = [compare(found, control, other, metrics) for other in others[: len(others) - left_out]]
    _add_arm(table, compare(found, control, control, metrics).control, metrics)
    for pair in pairs:
        _add_arm(table, pair.treated, metrics)
    for pair in pairs:
        label = f"{pair.treated.name} - {control}"
        table.add_row(label, f"{len(pair.pairs)} pairs", *_cells(pair.differences, metrics, signed=True))
    if left_out:
        table.add_row(f"and {left_out} more arms")
    return table


def _standing(design: Design, records: Sequence[Record]) -> list[str]:
    """The arms of the last stage that has begun, the control first; of many, those that have runs."""
    begun = {record.arm for record in records}
    first = list(design.arms())
    arms = [arm for arm in design.all_arms(records) if arm not in first] if begun - set(first) else first
    return arms if len(arms) <= SHOWN else [arm for arm in arms if arm in begun] or arms[:1]


def _add_arm(table: Table, arm: Arm, metrics: Sequence[Metric]) -> None:
    runs = f"{arm.finished}" + (f" + {arm.diverged} diverged" if arm.diverged else "")
    table.add_row(arm.name, runs, *_cells(arm.means, metrics, signed=False))


def _cells(intervals: Mapping[str, Interval | None], metrics: Sequence[Metric], *, signed: bool) -> list[str]:
    found = [(metric, intervals[metric.name]) for metric in metrics]
    return [metric.two_lines(each, signed=signed) if each else "-" for metric, each in found]
