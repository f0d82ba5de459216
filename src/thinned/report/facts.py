"""What a page says, as plain values: everything is computed here, and the template only lays it out."""

import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from thinned.errors import ConfigurationError, RecordError
from thinned.lab.comparison import METRICS, Arm, Comparison, Metric
from thinned.lab.question import Design, Question
from thinned.lab.records import Contents, Record
from thinned.lab.statistics import Interval, mean_interval
from thinned.lab.studies import STUDIES

CURVES = (
    ("train_loss", "Training loss", "nats", 1),
    ("train_accuracy", "Training accuracy", "%", 100),
    ("test_loss", "Test loss", "nats", 1),
    ("test_accuracy", "Test accuracy", "%", 100),
)
"""What is drawn by epoch: metric, title, unit, factor."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of one arm by epoch, over its finished runs.

    Args:
        arm: of the study.
        epochs: from 1.
        values: at each epoch, the mean with its 95 % interval, or the only run's value with itself.
    """

    arm: str
    epochs: tuple[int, ...]
    values: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One metric by epoch, for every arm.

    Args:
        name: of the metric, in a record's `epochs`.
        title: in words.
        unit: of the values.
        curves: one an arm that has finished runs.
    """

    name: str
    title: str
    unit: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a study's page says.

    Args:
        question: what was asked.
        comparison: of the arms.
        headline: the verdict in one word.
        sentence: the answer with figures.
        data: as the records describe it.
        panels: the learning curves.
        records: the runs, by seed and arm.
        configuration: name and value of each setting.
        made_with: what the runs were made with and on; all values that occur.
        command: that repeats the study.
        others: how many records of other designs lie in the same file.
        damaged: how many of its lines could not be read.
    """

    question: Question
    comparison: Comparison
    headline: str
    sentence: str
    data: dict[str, Any]
    panels: tuple[Panel, ...]
    records: tuple[Record, ...]
    configuration: tuple[tuple[str, str], ...]
    made_with: tuple[tuple[str, str], ...]
    command: str
    others: int
    damaged: int

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """The control, then the other."""
        return self.comparison.control, self.comparison.treated

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What the arms are compared by; the first decides."""
        return METRICS


def gather(contents: Contents, design: Design | None = None) -> Facts:
    """Compute a page's facts from records, and from nothing else.

    Args:
        contents: of a store.
        design: whose runs to report; None takes that of the last record.

    Returns:
        The same facts for the same records, in whatever order they were written.

    Raises:
        RecordError: no record of a study that this version knows.
    """
    design = design or _last_design(contents)
    records = design.select(contents.records)
    if not records:
        raise RecordError("expected a finished run of this design; got none. Run the study again.")
    comparison = design.compare(records)
    data = records[0].data
    return Facts(
        question=design.question,
        comparison=comparison,
        headline=comparison.verdict.capitalize(),
        sentence=design.question.sentence(comparison, data["name"]),
        data=data,
        panels=tuple(_panel(records, list(design.arms()), *curve) for curve in CURVES),
        records=records,
        configuration=_configuration(design, records),
        made_with=_made_with(records),
        command=_command(design, records),
        others=len(contents.records) - len(records),
        damaged=len(contents.damaged),
    )


def _last_design(contents: Contents) -> Design:
    """That of the last record which belongs to a design of a study that this version knows."""
    for record in reversed(contents.records):
        if record.study in STUDIES:
            with suppress(
                ConfigurationError
            ):  # its design has no arms; the line was written by something else
                design = Design.of(record, STUDIES)
                if design.select([record]):
                    return design
    raise RecordError(
        f"expected a record of a study ({', '.join(STUDIES)}); got {len(contents.records)} records and "
        f"{len(contents.damaged)} damaged lines. Run `thinned study` into this folder first."
    )


def _panel(
    records: Sequence[Record], arms: Sequence[str], name: str, title: str, unit: str, factor: float
) -> Panel:
    curves = []
    for arm in arms:
        runs = [record.epochs for record in records if record.arm == arm and record.final]
        if runs:
            epochs = tuple(int(epoch["epoch"]) for epoch in runs[0])
            values = tuple(_spread([run[k][name] * factor for run in runs]) for k in range(len(epochs)))
            curves.append(Curve(arm, epochs, values))
    return Panel(name, title, unit, tuple(curves))


def _spread(values: Sequence[float]) -> Interval:
    return mean_interval(values) if len(values) > 1 else Interval(values[0], values[0], values[0], 1, 0.0)


def _configuration(design: Design, records: Sequence[Record]) -> tuple[tuple[str, str], ...]:
    base, data = design.base, records[0].data
    layers = (data["features"], *base.hidden, data["classes"])
    return (
        ("Network", f"{'-'.join(map(str, layers))} multilayer perceptron, ReLU"),
        ("Dropout rates", f"{_list(base.rates)} after the hidden layers, in order; 0 in arm none"),
        ("Optimiser", f"SGD, learning rate {base.lr:g}, batch {base.batch}, {base.epochs} epochs"),
        ("Initial weights", "normal, standard deviation 0.01; biases 0"),
        ("Seeds", _list(sorted({record.seed for record in records}))),
    )


def _made_with(records: Sequence[Record]) -> tuple[tuple[str, str], ...]:
    versions = [
        ", ".join(f"{name} {each.versions[name]}" for name in sorted(each.versions)) for each in records
    ]
    commits = [
        f"{each.git['commit'][:12]}{' with changes' * each.git['altered']}"
        for each in records
        if each.git and each.git["commit"]
    ]
    total = sum(record.duration_s for record in records)
    rows = (
        ("Versions", _distinct(versions)),
        ("Mask law", _distinct(str(record.law) for record in records)),
        ("Sources", _distinct(commits)),
        ("Platform", _distinct(record.machine["platform"] for record in records)),
        ("Processor", _distinct(record.machine["processor"] for record in records)),
        ("Trained", _period(records)),
        ("Compute time", f"{total:.0f} s in all, one thread a run"),
    )
    return tuple((name, value) for name, value in rows if value)


def _period(records: Sequence[Record]) -> str:
    times = sorted(record.started for record in records)
    return times[0] if times[0] == times[-1] else f"{times[0]} to {times[-1]}"


def _command(design: Design, records: Sequence[Record]) -> str:
    """The command that repeats the study, or the call, where the seeds are not 0, 1, ...."""
    base, seeds = design.base, sorted({record.seed for record in records})
    asked, name = records[0].data["asked"], design.question.name
    if seeds != list(range(len(seeds))):
        return f"thinned.lab.Study({name!r}, data={asked!r}, seeds={seeds}, settings={base.as_json()}).run()"
    options = {
        "data": asked,
        "seeds": max(len(seeds), 2),
        "epochs": base.epochs,
        "rates": _list(base.rates, ","),
        "width": _list(base.hidden, ","),
        "lr": base.lr,
        "batch": base.batch,
    }
    words = " ".join(f"--{option} {shlex.quote(str(value))}" for option, value in options.items())
    return f"thinned study {name} {words}"


def _list(values: Iterable[object], separator: str = ", ") -> str:
    return separator.join(map(str, values))


def _distinct(values: Iterable[str]) -> str:
    return "; ".join(sorted(set(values)))
