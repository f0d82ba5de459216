"""Charts and tables that many answers show: families of contrasts, and what each arm reached."""

from collections.abc import Iterable, Mapping, Sequence

from thinned.lab.answer import Cell, Chart, HeatMap, Series, Table, rounded, shown
from thinned.lab.comparison import GAP, METRICS, TEST_ACCURACY, Metric
from thinned.lab.contrasts import Contrast, runs_of
from thinned.lab.records import Record
from thinned.lab.statistics import Interval, mean_interval
from thinned.lab.wording import UNITS, p_value

TRAIN_ACCURACY = Metric("train_accuracy", "training accuracy", "percentage points", 100, 2, 1)

OWN = "Each interval is the contrast's own; a claim needs p < 0.05 after Holm's correction for all rows."


def label(metric: Metric, *, change: bool = False) -> str:
    """An axis's label: what is drawn, and its unit."""
    return f"{'change in ' * change}{metric.label}, {UNITS.get(metric.unit, metric.unit)}"


def family_table(title: str, contrasts: Sequence[Contrast], metric: Metric = TEST_ACCURACY) -> Table:
    """One row a contrast: its estimate with interval, its p-values, and whether it is a claim."""
    rows: list[tuple[str | float | Cell, ...]] = []
    for each in contrasts:
        change = (
            Cell("", 0.0) if each.interval is None else shown(each.interval, metric.decimals, signed=True)
        )
        claim = {1: "up", -1: "down", 0: "no claim"}[each.sign]
        chances = [Cell(p_value(p), p) for p in (each.p, each.adjusted)]
        rows.append((each.name, len(each.values), change, *chances, claim))
    unit = UNITS.get(metric.unit, metric.unit)
    columns = ("comparison", "seeds", f"change, {unit} (95 % interval)", "p", "p, Holm", "claim")
    return Table(f"{title}: {metric.label}", columns, tuple(rows), OWN)


def family_chart(
    title: str, series: Mapping[str, Sequence[Contrast]], metric: Metric = TEST_ACCURACY, note: str = ""
) -> Chart:
    """One row a contrast, as a dot with its interval; families that have the same rows beside each other."""
    drawn = []
    for name, contrasts in series.items():
        found = [each for each in contrasts if each.interval is not None]
        drawn.append(
            Series(
                name,
                tuple(each.name for each in found),
                tuple(each.interval for each in found if each.interval is not None),
                tuple(each.values for each in found),
            )
        )
    return Chart(
        "intervals", title, "comparison", label(metric, change=True), tuple(drawn), note, reference=0.0
    )


def line(name: str, positions: Sequence[float], contrasts: Sequence[Contrast]) -> Series:
    """Contrasts along an axis of numbers; positions without an interval are left out."""
    found = [
        (x, each.interval, each.values)
        for x, each in zip(positions, contrasts, strict=True)
        if each.interval is not None
    ]
    return Series(
        name, tuple(x for x, _, _ in found), tuple(i for _, i, _ in found), tuple(v for _, _, v in found)
    )


def map_of(
    title: str,
    axes: tuple[str, str],
    cells: Mapping[tuple[float, float], Contrast],
    metric: Metric = TEST_ACCURACY,
    note: str = "",
) -> HeatMap:
    """Contrasts over two axes of numbers; a cell says its estimate and half its interval, and `*` for a claim.

    Args:
        title: what it shows.
        axes: labels of the columns and of the rows.
        cells: at (column, row), the contrast.
        metric: what the contrasts are of.
        note: what a reader must know.
    """
    columns, rows = (tuple(sorted({key[k] for key in cells})) for k in (0, 1))

    def value(x: float, y: float) -> float:
        cell = cells.get((x, y))
        return float("nan") if cell is None or cell.interval is None else cell.interval.estimate

    def text(x: float, y: float) -> str:
        cell = cells.get((x, y))
        if cell is None or cell.interval is None:
            return ""
        half = (cell.interval.high - cell.interval.low) / 2
        star = "*" if cell.sign else ""
        return f"{metric.show(cell.interval.estimate, signed=True)}{star} ± {metric.show(half)}"

    return HeatMap(
        f"{title}, {UNITS.get(metric.unit, metric.unit)}",
        *axes,
        columns,
        rows,
        tuple(tuple(value(x, y) for x in columns) for y in rows),
        tuple(tuple(text(x, y) for x in columns) for y in rows),
        (note + " " if note else "")
        + "± half of each cell's own 95 % interval; * where it differs after Holm's correction for all cells.",
        0.0,
    )


def levels(records: Sequence[Record], arms: Iterable[str]) -> Table:
    """What each arm reached, with intervals over its seeds, and which of its runs diverged."""
    metrics = (*METRICS[:2], TRAIN_ACCURACY, GAP)
    runs = {metric.name: runs_of(records, metric) for metric in metrics}
    rows: list[tuple[str | float | Cell, ...]] = []
    for arm in arms:
        tried = sum(record.arm == arm for record in records)
        finished = len(runs[TEST_ACCURACY.name].get(arm, {}))
        cells = [_level(runs[metric.name].get(arm, {}), metric) for metric in metrics]
        rows.append((arm, finished, tried - finished, *cells))
    heads = (f"{metric.label}, {_level_unit(metric)}" for metric in metrics)
    return Table(
        "What each arm reached",
        ("arm", "finished", "diverged", *heads),
        tuple(rows),
        "Means with 95 % intervals.",
    )


def level(runs: Mapping[int, float]) -> Interval | None:
    """The mean over seeds with its interval, or None where there are fewer than two."""
    return mean_interval(tuple(runs.values())) if len(runs) > 1 else None


def seconds(records: Sequence[Record], arm: str) -> str:
    """The median wall-clock time of an arm's runs, as it is printed."""
    times = sorted(record.duration_s for record in records if record.arm == arm)
    return rounded(times[len(times) // 2], 2) if times else ""


def _level(runs: Mapping[int, float], metric: Metric) -> Cell:
    found = level(runs)
    return Cell("", float("-inf")) if found is None else shown(found, metric.decimals)


def _level_unit(metric: Metric) -> str:
    return "%" if metric.name.endswith("accuracy") else UNITS.get(metric.unit, metric.unit)
