"""What a running study shows: a bar, the time left and the table so far, on a terminal; else nothing."""

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from thinned.lab.comparison import METRICS, Arm, Comparison, Metric
from thinned.lab.statistics import Interval


class Watch(Protocol):
    """Who follows a study while it runs."""

    def begin(self, epochs: int, runs: int, reused: int, jobs: int) -> None:
        """`runs` trials of `epochs` epochs in all start on `jobs` workers; `reused` are in the records."""

    def epoch(self) -> None:
        """One epoch of some trial is done."""

    def recorded(self, comparison: Comparison) -> None:
        """A run is saved; this is what the records say by now."""

    def note(self, text: str) -> None:
        """Something that the user should know happened."""


class Silent:
    """Nobody watches; notes go to standard error, since they tell of trouble."""

    def begin(self, epochs: int, runs: int, reused: int, jobs: int) -> None:
        """Nothing."""

    def epoch(self) -> None:
        """Nothing."""

    def recorded(self, comparison: Comparison) -> None:
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

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def begin(self, epochs: int, runs: int, reused: int, jobs: int) -> None:
        """Start the bar."""
        self._runs = runs
        self._bar.update(self._task, total=epochs, description=f"starting {jobs} workers")
        if reused:
            self.note(f"{reused} finished runs are in the records already; {runs} are missing.")

    def epoch(self) -> None:
        """Move the bar."""
        self._bar.update(self._task, advance=1, description=self._counted())

    def recorded(self, comparison: Comparison) -> None:
        """Redraw the table."""
        self._done += 1
        self._bar.update(self._task, description=self._counted())
        self._live.update(Group(so_far(comparison), self._bar))

    def _counted(self) -> str:
        return f"{self._done} of {self._runs} runs"

    def note(self, text: str) -> None:
        """One line above the bar."""
        self._console.print(text, highlight=False, markup=False)


def so_far(comparison: Comparison) -> Table:
    """Each arm and the paired difference: the mean, and under it the 95 % interval.

    Also the table that a finished study prints; it fits 80 columns.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("arm")
    table.add_column("runs", justify="right")
    for metric in METRICS:
        unit = "points" if metric.factor == 100 else metric.unit
        table.add_column(f"{metric.label.removeprefix('generalisation ')}\n{unit}", justify="right")
    for arm in (comparison.control, comparison.treated):
        table.add_row(arm.name, _runs(arm), *_cells(arm.means, signed=False))
    label = f"{comparison.treated.name} - {comparison.control.name}"
    table.add_row(label, f"{len(comparison.pairs)} pairs", *_cells(comparison.differences, signed=True))
    return table


def _runs(arm: Arm) -> str:
    return f"{arm.finished}" + (f" + {arm.diverged} diverged" if arm.diverged else "")


def _cells(intervals: Mapping[str, Interval | None], *, signed: bool) -> list[str]:
    found = [(metric, intervals[metric.name]) for metric in METRICS]
    return [_two_lines(metric, each, signed) if each else "-" for metric, each in found]


def _two_lines(metric: Metric, interval: Interval, signed: bool) -> str:
    mean, low, high = (
        metric.show(value, signed=signed) for value in (interval.estimate, interval.low, interval.high)
    )
    return f"{mean}\n{low} to {high}"
