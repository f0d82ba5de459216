"""What a running study shows in a notebook: curves that grow with each run, and how long it will still take."""

import importlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from thinned.errors import MissingExtraError
from thinned.lab.answer import Chart, Picture, Series
from thinned.lab.comparison import TEST_ACCURACY
from thinned.lab.question import Design
from thinned.lab.records import Record
from thinned.lab.statistics import mean_interval
from thinned.report.curves import learning_curves
from thinned.report.facts import spent
from thinned.report.still import png

PAUSE = 1.0
"""Seconds between two drawings: one takes a third of a second, in which workers could compute."""


class Notebook:
    """A line of progress and two pictures, replaced in place as runs are saved.

    The pictures are the curves of loss and accuracy on what is held out, one line an arm, in the band of its 95 %
    interval; of more than eight arms, what each has reached. Give it to `Study.run`.

    Args:
        display: shows an object and returns a handle with `update`; None takes that of IPython, which every
            notebook has.
        clock: seconds from some moment.

    Raises:
        MissingExtraError: there is no IPython, so this is no notebook.

    Example:
        In a cell:

            from thinned.lab import Study
            from thinned.report.notebook import Notebook

            Study("dropout", data="digits", seeds=5).run(Notebook())
    """

    def __init__(
        self, display: Callable[[Any], Any] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._display, self._clock = display or _ipython(), clock
        self._line: Any = None
        self._places: list[Any] = []
        self._title = ""
        self._design: Design | None = None
        self._records: list[Record] = []
        self._epochs = self._trained = self._runs = self._done = 0
        self._begun = self._told = self._drawn = 0.0

    def study(self, title: str) -> None:
        """Name it before the counts; it has a line and pictures of its own."""
        self._title, self._line, self._places = f"{title}: ", None, []

    def begin(
        self, design: Design, records: Sequence[Record], *, epochs: int, runs: int, reused: int, jobs: int
    ) -> None:
        """Show the line, and what is in the records already."""
        self._design, self._records = design, list(records)
        self._epochs, self._runs, self._trained, self._done = epochs, runs, 0, 0
        self._begun = self._clock()
        if reused:
            self.note(f"{reused} finished runs are in the records already; {runs} are missing.")
        self._tell(f"{self._title}starting {jobs} workers")
        self._draw()

    def epoch(self) -> None:
        """Say how far it is, at most once a second."""
        self._trained += 1
        if self._clock() - self._told >= PAUSE:
            self._tell(self._progress())

    def recorded(self, record: Record) -> None:
        """Draw again, if the last drawing is not too young."""
        self._done += 1
        self._records.append(record)
        self._tell(self._progress())
        if self._done == self._runs or self._clock() - self._drawn >= PAUSE:
            self._draw()

    def note(self, text: str) -> None:
        """A line that stays."""
        self._display(_Text(text))

    def _progress(self) -> str:
        share = self._trained / self._epochs if self._epochs else 1.0
        gone = self._clock() - self._begun
        left = f", about {spent(gone / share - gone)} left" if 0 < share < 1 else ""
        return f"{self._title}{self._done} of {self._runs} runs, {share:.0%} of the epochs{left}"

    def _tell(self, text: str) -> None:
        self._told = self._clock()
        if self._line is None:
            self._line = self._display(_Text(text))
        else:
            self._line.update(_Text(text))

    def _draw(self) -> None:
        if self._design is None:
            return
        for k, picture in enumerate(pictures(self._design, self._records)):
            drawn = _Picture(png(picture))
            if k < len(self._places):
                self._places[k].update(drawn)
            else:
                self._places.append(self._display(drawn))
        self._drawn = self._clock()


def pictures(design: Design, records: Sequence[Record]) -> tuple[Picture, ...]:
    """The curves so far, or, of many arms, what each has reached; none before the first run.

    Args:
        design: whose arms.
        records: those that there are, of any design.
    """
    found = design.select(records)
    arms = list(design.all_arms(records))
    return learning_curves(found, arms)[:2] or _reached(found, arms)


def _reached(records: Sequence[Record], arms: Sequence[str]) -> tuple[Chart, ...]:
    by_arm = {arm: [run.final for run in records if run.arm == arm and run.final] for arm in arms}
    name = TEST_ACCURACY.name
    values = {
        arm: tuple(run[name] * TEST_ACCURACY.factor for run in runs if name in run)
        for arm, runs in by_arm.items()
    }
    several = {arm: each for arm, each in values.items() if len(each) > 1}
    if not several:
        return ()
    series = Series("", tuple(several), tuple(map(mean_interval, several.values())), tuple(several.values()))
    return (Chart("intervals", "Test accuracy so far", "arm", "test accuracy, %", (series,)),)


class _Text:
    """A line, as every front end shows it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class _Picture:
    """A PNG, as IPython asks for one."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __repr__(self) -> str:
        return "a picture"

    def _repr_png_(self) -> bytes:
        return self._content


def _ipython() -> Callable[[Any], Any]:
    try:
        module: Any = importlib.import_module("IPython.display")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "expected a notebook, which brings IPython; got none installed. In a terminal `thinned study` shows "
            "its progress by itself; in a script, leave the watch out."
        ) from error
    return lambda content: module.display(content, display_id=True)
