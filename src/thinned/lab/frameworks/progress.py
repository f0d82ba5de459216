"""What a running study of frameworks shows: a bar and the time left, on a terminal; else nothing."""

import sys
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Watch(Protocol):
    """Who follows a study while it runs."""

    def begin(self, what: str, total: int) -> None:
        """A stretch of work of `total` parts starts."""

    def advance(self) -> None:
        """One part is done."""

    def note(self, text: str) -> None:
        """Something that the user should know happened."""


class Silent:
    """Nobody watches; notes go to standard error, since they tell of trouble."""

    def begin(self, what: str, total: int) -> None:
        """Nothing."""

    def advance(self) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """One line."""
        print(text, file=sys.stderr)


class Terminal:
    """A bar that lives on standard error until the study ends."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self._console,
            expand=True,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, what: str, total: int) -> None:
        """A new bar in the place of the old."""
        self._bar.reset(self._task, total=total, description=what)

    def advance(self) -> None:
        """Move the bar."""
        self._bar.advance(self._task)

    def note(self, text: str) -> None:
        """One line above the bar."""
        self._console.print(text, highlight=False, markup=False)
