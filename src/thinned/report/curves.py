"""Learning curves, and the table of runs: what every study has, whatever it asks."""

from collections.abc import Iterable, Mapping, Sequence

from thinned.lab.answer import Cell, Chart, Series, Table
from thinned.lab.records import Record
from thinned.lab.statistics import Interval, mean_interval

MOST_ARMS = 8
"""With more, curves cannot be told apart any more, and the page has none."""

MOST_OTHERS = 4
"""Metrics that we do not know, of which each has a picture."""

CURVES = (
    ("test_loss", "Test loss", "nats", 1.0),
    ("test_accuracy", "Test accuracy", "%", 100.0),
    ("validation_loss", "Validation loss", "nats", 1.0),
    ("validation_accuracy", "Validation accuracy", "%", 100.0),
    ("train_loss", "Training loss", "nats", 1.0),
    ("train_accuracy", "Training accuracy", "%", 100.0),
)
"""What is drawn by epoch where it was measured: metric, title, unit, factor."""

COLUMNS = (
    ("test_accuracy", "Test accuracy, %", 100.0, 2),
    ("test_loss", "Test loss", 1.0, 4),
    ("validation_accuracy", "Validation accuracy, %", 100.0, 2),
    ("validation_loss", "Validation loss", 1.0, 4),
    ("train_accuracy", "Training accuracy, %", 100.0, 2),
    ("train_loss", "Training loss", 1.0, 4),
    ("gap", "Gap, points", 100.0, 2),
)
"""What a run's row has, where it was measured: metric, head, factor, decimals."""


def learning_curves(records: Sequence[Record], arms: Sequence[str]) -> tuple[Chart, ...]:
    """One chart a metric, one line an arm, over the finished runs.

    Args:
        records: of one design.
        arms: its arms, in order.

    Returns:
        None at all where there are more than `MOST_ARMS` arms, or no finished run.
    """
    finished = {arm: [run for run in records if run.arm == arm and run.final] for arm in arms}
    drawn = {arm: runs for arm, runs in finished.items() if runs}
    if not drawn or len(drawn) > MOST_ARMS:
        return ()
    charts = []
    others = tuple(
        (name, title, "", 1.0) for name, title in _others(epoch for run in records for epoch in run.epochs)
    )
    for name, title, unit, factor in (*CURVES, *others):
        measured = {arm: [run for run in runs if _has(run, name)] for arm, runs in drawn.items()}
        series = tuple(_curve(arm, runs, name, factor) for arm, runs in measured.items() if runs)
        if series:
            charts.append(Chart("lines", title, "epoch", f"{title.lower()}{', ' * bool(unit)}{unit}", series))
    return tuple(charts)


def run_table(records: Sequence[Record]) -> Table:
    """One row a run: what the trained network reached, dropout off."""
    others = tuple((name, title, 1.0, 4) for name, title in _others(run.final for run in records))
    shown = [column for column in (*COLUMNS, *others) if any(column[0] in run.final for run in records)]
    heads = ("Seed", "Arm", "Outcome", *(head for _, head, _, _ in shown), "Seconds")
    rows: list[tuple[str | float | Cell, ...]] = []
    for run in records:
        outcome = run.status if run.final else f"{run.status} after {len(run.epochs)} epochs"
        reached = [_reached(run, name, factor, decimals) for name, _, factor, decimals in shown]
        seconds = Cell(f"{run.duration_s:.1f}", run.duration_s)
        rows.append((Cell(str(run.seed), run.seed), run.arm, outcome, *reached, seconds))
    return Table("What each trained network reached, dropout off", heads, tuple(rows))


def _others(measured: Iterable[Mapping[str, float]]) -> list[tuple[str, str]]:
    """Metrics of the user's own on the test set, with their titles; a study that looks inside draws that itself."""
    known = {name for name, *_ in CURVES}
    names = dict.fromkeys(name for values in measured for name in values if name.startswith("test_"))
    return [(name, name.replace("_", " ").capitalize()) for name in names if name not in known][:MOST_OTHERS]


def _has(run: Record, name: str) -> bool:
    return all(name in epoch for epoch in run.epochs)


def _curve(arm: str, runs: Sequence[Record], name: str, factor: float) -> Series:
    # Arms of one study may be trained for different times; within one, all runs are trained for the same.
    epochs = [int(epoch["epoch"]) for epoch in runs[0].epochs]
    values = [tuple(run.epochs[k][name] * factor for run in runs) for k in range(len(epochs))]
    return Series(arm, tuple(map(float, epochs)), tuple(map(_spread, values)), tuple(values))


def _spread(values: Sequence[float]) -> Interval:
    if len(values) > 1:
        return mean_interval(values)
    return Interval(values[0], values[0], values[0], 1, 0.0)


def _reached(run: Record, name: str, factor: float, decimals: int) -> Cell:
    if name not in run.final:
        return Cell("", float("inf"))
    value = run.final[name] * factor
    return Cell(f"{value:.{decimals}f}", value)
