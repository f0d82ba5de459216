"""The curves of a training, live in a terminal or a notebook, and saved as a picture."""

import importlib
import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from matplotlib.figure import Figure
from rich.live import Live
from rich.table import Table

BARS, WIDTH = "▁▂▃▄▅▆▇█", 50
COLUMNS = 3
COLOURS = {"training loss": "#0072b2", "training accuracy": "#d55e00", "test accuracy": "#009e73"}
STYLES = {"training loss": "-", "training accuracy": "--", "test accuracy": "-."}


@dataclass
class Curves:
    """What one training showed, epoch by epoch.

    Args:
        title: which training.
        epochs: how many there will be.
        values: for each of the three quantities, its value at each epoch so far.
    """

    title: str
    epochs: int
    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COLOURS})

    def add(self, loss: float, training: float, test: float) -> None:
        """Append one epoch."""
        for name, value in zip(COLOURS, (loss, training, test), strict=True):
            self.values[name].append(value)


Watch: TypeAlias = Callable[[Curves], None]
"""Called after each epoch."""


@contextmanager
def in_terminal() -> Iterator[Watch]:
    """Draw rows of bars that grow with each epoch; where there is no terminal, once at the end."""
    with Live(auto_refresh=False) as live:
        yield lambda curves: live.update(bars(curves), refresh=True)
    if not live.console.is_terminal:
        print()  # the last picture came without the end of its line


def bars(curves: Curves) -> Table:
    """One row for each quantity: its course between its least and greatest value, in at most 50 bars."""
    table = Table(title=curves.title, title_justify="left", box=None, show_header=False)
    for name, values in curves.values.items():
        low, span = min(values), (max(values) - min(values)) or 1
        every = math.ceil(curves.epochs / WIDTH)
        shown = values[every - 1 :: every]
        drawn = "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in shown)
        table.add_row(name, drawn.ljust(curves.epochs // every, "·"), f"{values[-1]:.3f}")
    return table


@contextmanager
def in_notebook() -> Iterator[Watch]:
    """Draw the curves as a picture that is replaced after each epoch."""
    # Imported by name and late: every notebook has it, and nothing else here needs it.
    ipython: Any = importlib.import_module("IPython.display")
    shown = ipython.display(ipython.Image(png([Curves("", 1)])), display_id=True)
    yield lambda curves: shown.update(ipython.Image(png([curves])))


def png(panels: Sequence[Curves]) -> bytes:
    """The picture's bytes."""
    buffer = io.BytesIO()
    picture(panels).savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def picture(panels: Sequence[Curves]) -> Figure:
    """One panel for each training, three in a row, on one scale."""
    columns = min(len(panels), COLUMNS)
    rows = math.ceil(len(panels) / columns)
    # A single panel is narrower than the legend below it.
    figure = Figure(figsize=(max(4.2 * columns, 5.2), 0.4 + 3.2 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).flatten()
    for spare in axes[len(panels) :]:
        spare.remove()
    for panel, curves in zip(axes, panels, strict=False):
        marker = "." if curves.epochs <= 20 else ""
        for name, values in curves.values.items():
            epochs = range(1, len(values) + 1)
            panel.plot(epochs, values, STYLES[name], color=COLOURS[name], label=name, marker=marker)
        panel.set(title=curves.title, xlabel="epoch", xlim=(0.7, curves.epochs + 0.3))
        panel.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        panel.grid(alpha=0.3)
    axes[0].set_ylim(bottom=0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure
