"""Does dropout help here? The chapter's network with and without it, on the user's data."""

from collections.abc import Mapping, Sequence

from thinned.errors import ConfigurationError
from thinned.lab.answer import Answer, Cell, Chart, Series, Table, shown
from thinned.lab.comparison import GAP, METRICS, TEST_ACCURACY, TEST_LOSS, Comparison, compare
from thinned.lab.configuration import Configuration
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.statistics import Interval, mean_interval
from thinned.lab.wording import NOTHING_VARIES, UNITS, brief, change, diverged

CONTROL, TREATED = "none", "dropout"

CURVES = (
    ("train_loss", "Training loss", "nats", 1),
    ("train_accuracy", "Training accuracy", "%", 100),
    ("test_loss", "Test loss", "nats", 1),
    ("test_accuracy", "Test accuracy", "%", 100),
)
"""What is drawn by epoch: metric, title, unit, factor."""

_OPENINGS = {
    "helped": "Dropout helped here",
    "hurt": "Dropout hurt here",
    "undecided": "Whether dropout helps here stays open",
    "unanswered": "There is no answer yet",
}


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """The same network and training, without and with dropout.

    Raises:
        ConfigurationError: every rate is 0, so that the arms are the same.
    """
    if not any(base.rates):
        raise ConfigurationError(
            f"expected a rate above 0, to compare with none; got {', '.join(map(str, base.rates))}. "
            "Give, for example, 0.2,0.5."
        )
    return {CONTROL: base.without_dropout(), TREATED: base}


def sentence(comparison: Comparison, data: str, records: Sequence[Record] = ()) -> str:
    """The answer in one sentence, with figures: dropout minus none, paired by seed.

    Args:
        comparison: of the arms `none` and `dropout`.
        data: name of the data.
        records: of these arms, for how many diverged or learned nothing.
    """
    accuracy, loss, gap = (comparison.differences[metric.name] for metric in METRICS)
    pairs = len(comparison.pairs)
    if accuracy is None or loss is None or gap is None:
        return (
            f"{_OPENINGS['unanswered']}: on {data}, {pairs} seed{'s' * (pairs != 1)} finished both with and "
            f"without dropout, and an interval needs at least 2{diverged(records)}."
        )
    open_end = _open_end(accuracy) if comparison.verdict == "undecided" else ""
    return (
        f"{_OPENINGS[comparison.verdict]}{_though(comparison.verdict, loss)}: on {data}, "
        f"over {pairs} paired seeds, it changed test accuracy by "
        f"{_change(TEST_ACCURACY.show_interval(accuracy, signed=True), ' percentage points')}, from "
        f"{_level(comparison, 'control')} to {_level(comparison, 'treated')}, test loss by "
        f"{_change(TEST_LOSS.show_interval(loss, signed=True), '')}, and the generalisation gap by "
        f"{_change(GAP.show_interval(gap, signed=True), ' percentage points')}{open_end}"
        f"{diverged(records)}."
    )


def _open_end(accuracy: Interval) -> str:
    """How large a change would have been seen."""
    if not accuracy.detectable:
        return f"; {NOTHING_VARIES}"
    return (
        f"; had the change in accuracy been {TEST_ACCURACY.show(accuracy.detectable)} points, runs this noisy "
        "would show it four times in five"
    )


def _though(verdict: str, loss: Interval) -> str:
    """Where accuracy leaves it open, what the test loss says, if it says something."""
    if verdict != "undecided" or not loss.excludes_zero:
        return ""
    return f", though the test loss {'fell' if loss.high < 0 else 'rose'}"


def _change(shown: str, unit: str) -> str:
    estimate, _, ends = shown.partition(" (")
    return f"{estimate}{unit} (95 % interval {ends}"


def _level(comparison: Comparison, arm: str) -> str:
    """The mean test accuracy over the pairs alone, so that the two levels differ by the stated change."""
    values = [TEST_ACCURACY.of(getattr(pair, arm)) for pair in comparison.pairs]
    return f"{TEST_ACCURACY.show(sum(values) / len(values))} %"


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """Dropout minus none, paired by seed; test accuracy decides."""
    comparison = compare(records, CONTROL, TREATED)
    name = records[0].data["name"] if records else "this data"
    curves = tuple(by_epoch(records, (CONTROL, TREATED), *curve) for curve in CURVES)
    return Answer(
        comparison.verdict,
        sentence(comparison, name, records),
        _power(comparison),
        (*_differences(comparison), *(curve for curve in curves if curve.series)),
        (_table(comparison),),
        _brief(comparison, records),
    )


def _brief(comparison: Comparison, records: Sequence[Record]) -> str:
    accuracy, loss = (comparison.differences[metric.name] for metric in (TEST_ACCURACY, TEST_LOSS))
    if accuracy is None or loss is None:
        return ""
    opening = f"{_OPENINGS[comparison.verdict]}{_though(comparison.verdict, loss)}"
    return brief(opening, f"it changed test accuracy by {change(accuracy)}", records)


def by_epoch(
    records: Sequence[Record], arms: Sequence[str], name: str, title: str, unit: str, factor: float
) -> Chart:
    """A metric of each arm by epoch, over its finished runs, as lines in the band of their interval."""
    series = []
    for arm in arms:
        runs = [record.epochs for record in records if record.arm == arm and record.final]
        if len(runs) > 1:
            values = [tuple(run[k][name] * factor for run in runs) for k in range(len(runs[0]))]
            epochs = tuple(float(epoch["epoch"]) for epoch in runs[0])
            series.append(Series(arm, epochs, tuple(map(mean_interval, values)), tuple(values)))
    return Chart("lines", f"{title} by epoch", "epoch", f"{title.lower()}, {unit}", tuple(series))


def _differences(comparison: Comparison) -> tuple[Chart, ...]:
    """A chart for each metric: one row, the paired difference, with each seed's own."""
    found = []
    for metric in METRICS:
        interval = comparison.differences[metric.name]
        if interval is not None:
            values = tuple(pair.difference(metric) for pair in comparison.pairs)
            row = Series(f"{TREATED} - {CONTROL}", (metric.label,), (interval,), (values,))
            found.append(
                Chart(
                    "intervals",
                    f"What dropout changed: {metric.label}",
                    "",
                    f"{TREATED} minus {CONTROL}, {metric.unit}",
                    (row,),
                    note="Each point is a seed; the bar is the 95 % interval of the mean.",
                    reference=0.0,
                )
            )
    return tuple(found)


def _table(comparison: Comparison) -> Table:
    def row(
        label: str, runs: str, intervals: Mapping[str, Interval | None], signed: bool
    ) -> tuple[Cell | str, ...]:
        cells = [
            Cell("-", float("-inf"))
            if (each := intervals[metric.name]) is None
            else shown(each, metric.decimals, signed=signed)
            for metric in METRICS
        ]
        return (label, runs, *cells)

    rows = [
        row(arm.name, str(arm.finished), arm.means, False) for arm in (comparison.control, comparison.treated)
    ]
    pairs = f"{len(comparison.pairs)} pairs"
    rows.append(row(f"{TREATED} - {CONTROL}", pairs, comparison.differences, True))
    units = (
        "% (points of change)" if metric is TEST_ACCURACY else UNITS.get(metric.unit, metric.unit)
        for metric in METRICS
    )
    heads = (f"{metric.label}, {unit}" for metric, unit in zip(METRICS, units, strict=True))
    return Table(
        "With and without dropout", ("arm", "runs", *heads), tuple(rows), "Means with 95 % intervals."
    )


def _power(comparison: Comparison) -> str:
    interval, pairs = comparison.differences[TEST_ACCURACY.name], len(comparison.pairs)
    if interval is None:
        return f"{pairs} paired seed{'s' * (pairs != 1)} so far; an interval needs two."
    return (
        f"{pairs} paired seeds; runs this noisy show a true change in test accuracy of "
        f"{TEST_ACCURACY.show(interval.detectable)} percentage points four times in five."
    )


QUESTION = Question(
    name="dropout",
    asks="Does dropout help here?",
    how=(
        "The same multilayer perceptron is trained twice for each seed, without and with dropout after each "
        "hidden layer. The two runs of a seed begin with the same weights and see the same minibatches in "
        "the same order, so their difference is due to dropout. Nothing is selected on the test set: the "
        "figures are those after the last epoch. Test accuracy decides; test loss and generalisation gap "
        "explain."
    ),
    refuted_by=(
        "That dropout helps is refuted if the 95 % interval of the paired difference in test accuracy lies "
        "below 0, and not shown if it holds 0."
    ),
    arms=arms,
    answer=answer,
    quick=Plan("digits", 10, {"epochs": 100}),
    full=Plan("fashion-mnist", 5),
)
