"""What do more epochs change? With and without dropout from 5 to 100 epochs, and where the curves cross."""

from collections.abc import Mapping, Sequence

import numpy as np

from thinned.lab.answer import Answer, Cell, Chart, Series, Table
from thinned.lab.comparison import TEST_ACCURACY, TEST_LOSS, Metric
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import Contrast, judged
from thinned.lab.crossing import Crossing, Curves, crossing, curves
from thinned.lab.exhibits import family_table, label, levels, line
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.statistics import mean_interval
from thinned.lab.wording import brief, change, count, diverged, listed, not_seen, power, unanswered, where

LOOKS = (5, 10, 20, 50, 100)
"""Lengths of training at which the two are compared, in epochs."""

COLLAPSE = 0.1
"""How far the test accuracy of a run that collapsed ends below that of its own best epoch, as a share."""

LAST = 5
"""A length of training is judged by the mean of its last fifth, since single epochs jump."""


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """Without and with dropout. The learning rate is constant, so a long run begins as a shorter one."""
    return {"none": base.without_dropout(), "dropout": base}


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """The differences at five lengths of training, and the epoch from which dropout is ahead."""
    accuracy = curves(records, "dropout", "none", TEST_ACCURACY)
    if len(accuracy) < 2:
        return unanswered(records, "two seeds that finished both with and without dropout")
    loss = -curves(records, "dropout", "none", TEST_LOSS)  # above 0 where dropout is better, as for accuracy
    looks, falls = _looks(accuracy), _looks(loss)
    verdict = _verdict(looks)
    return Answer(
        verdict,
        _sentence(records, verdict, looks, falls, crossing(accuracy), crossing(loss)),
        power(looks, records),
        (
            _curves(records, TEST_ACCURACY),
            _differences(accuracy, TEST_ACCURACY, "dropout minus none"),
            _differences(-loss, TEST_LOSS, "dropout minus none"),
            _curves(records, TEST_LOSS),
        ),
        (
            family_table("Dropout minus none after so many epochs", looks),
            family_table("Dropout minus none after so many epochs", _looks(-loss), TEST_LOSS),
            _crossings(crossing(accuracy), crossing(loss), accuracy.shape[1]),
            levels(records, design.arms()),
        ),
        brief(
            _opening(verdict, crossing(accuracy)),
            f"it changes test accuracy by {change(looks[-1].interval)} after {looks[-1].name}",
            records,
        ),
    )


def _opening(verdict: str, at: Crossing) -> str:
    return {
        "crosses": f"Dropout needs more epochs, and then wins: its test accuracy is ahead for good from epoch "
        f"{at.epoch} on (95 % interval {at.low} to {at.high})",
        "ahead": "Dropout is ahead in test accuracy at the end, and was not seen behind before",
        "behind": "Dropout is behind in test accuracy at the end",
        "undecided": "Whether the curves of test accuracy cross stays open",
    }[verdict]


def _looks(differences: Curves) -> tuple[Contrast, ...]:
    """The differences at each of `LOOKS`, and at the whole length, judged together."""
    whole = differences.shape[1]
    lengths = [*(epochs for epochs in LOOKS if epochs < whole), whole]
    ends = {
        f"{epochs} epochs": differences[:, epochs - max(1, epochs // LAST) : epochs] for epochs in lengths
    }
    return judged({name: tuple(map(float, end.mean(1))) for name, end in ends.items()})


def _verdict(looks: Sequence[Contrast]) -> str:
    """By which of the looks are claims: behind first and ahead at the last is a crossing."""
    end, before = looks[-1].sign, {look.sign for look in looks[:-1]}
    if end > 0:
        return "crosses" if -1 in before else "ahead"
    if end < 0:
        return "behind"
    return "undecided"


def _sentence(
    records: Sequence[Record],
    verdict: str,
    looks: Sequence[Contrast],
    falls: Sequence[Contrast],
    at: Crossing,
    loss_at: Crossing,
) -> str:
    end = f"; {not_seen([looks[-1]])}" if verdict == "undecided" else ""
    by_loss = {
        "crosses": f"by test loss it is ahead from epoch {loss_at.epoch} on ({loss_at.low} to {loss_at.high})",
        "ahead": "by test loss it is ahead at the end, and was not seen behind before",
        "behind": "by test loss it is behind at the end",
        "undecided": "by test loss, too, it stays open",
    }[_verdict(falls)]
    if verdict != "undecided":
        by_loss = by_loss.replace(", too,", "")
    first, last = looks[0], looks[-1]
    return (
        f"{_opening(verdict, at)}: {where(records)}, "
        f"of which {len(last.values)} finished both with and without dropout, dropout "
        f"changes test accuracy by {change(first.interval)} after "
        f"{first.name} and by {change(last.interval)} after {last.name}, each the mean of the last fifth of "
        f"them{end}; {by_loss}{_collapsed(records)}{diverged(records)}."
    )


def _collapsed(records: Sequence[Record]) -> str:
    """How many runs lost again what they had learned, and whether of the training examples too."""
    said = []
    for arm in ("none", "dropout"):
        runs = [record for record in records if record.arm == arm and record.final]
        lost = [run for run in runs if _loss(run, "test_accuracy") > COLLAPSE]
        both = sum(_loss(run, "train_accuracy") > COLLAPSE for run in lost)
        if lost:
            why = ", so they unlearned and did not overfit" if both == len(lost) else ""
            said.append(
                f"{len(lost)} of {count(len(runs), 'finished run')} of {arm} ended more than {100 * COLLAPSE:.0f} "
                f"points below their own best epoch, {both} of them in training accuracy too{why}"
            )
    return f"; {listed(said)}" if said else ""


def _loss(run: Record, name: str) -> float:
    """How far a run ended below its best epoch."""
    return max(epoch[name] for epoch in run.epochs) - run.epochs[-1][name]


def _curves(records: Sequence[Record], metric: Metric) -> Chart:
    series = []
    for arm in ("none", "dropout"):
        values = np.array(
            [
                [epoch[metric.name] * metric.factor for epoch in record.epochs]
                for record in records
                if record.arm == arm and record.final
            ]
        )
        series.append(
            Series(
                arm,
                tuple(float(k + 1) for k in range(values.shape[1])),
                tuple(mean_interval(tuple(column)) for column in values.T),
            )
        )
    unit = "%" if metric is TEST_ACCURACY else metric.unit
    return Chart(
        "lines",
        f"{metric.label.capitalize()} after each epoch",
        "epochs",
        f"{metric.label}, {unit}",
        tuple(series),
        "Means with 95 % intervals over the seeds, dropout off.",
    )


def _differences(values: Curves, metric: Metric, name: str) -> Chart:
    found = judged({str(k): tuple(map(float, column)) for k, column in enumerate(values.T)})
    series = line(name, tuple(float(k + 1) for k in range(values.shape[1])), found)
    return Chart(
        "lines",
        f"What dropout changes after each epoch: {metric.label}",
        "epochs",
        label(metric, change=True),
        (Series(series.name, series.x, series.values),),
        "The band is the 95 % interval at each epoch by itself, paired by seed.",
        reference=0.0,
    )


def _crossings(accuracy: Crossing, loss: Crossing, last: int) -> Table:
    def row(name: str, at: Crossing) -> tuple[str, Cell, str]:
        never = (
            "not within these epochs" if at.epoch > last else f"{at.epoch} ({at.low} to {min(at.high, last)})"
        )
        reached = "yes" if at.high <= last else "not for all resamples"
        return (name, Cell(never, at.epoch), reached)

    return Table(
        "From which epoch dropout is ahead for good",
        ("metric", "epoch (95 % interval)", "within these epochs"),
        (row("test accuracy", accuracy), row("test loss", loss)),
        "Of the mean curve over the seeds, each point averaged over five epochs; the interval is from seeds drawn "
        "again. It says where a crossing would lie, and is no claim that there is one.",
    )


QUESTION = Question(
    name="more-epochs",
    asks="With and without dropout from 5 to 100 epochs: where do the curves cross?",
    how=(
        "The chapter's network is trained for 100 epochs without and with dropout, on the same seeds, and tested "
        "after each; as the learning rate is constant, these are also the results of every shorter training. The "
        "difference in test accuracy is judged after 5, 10, 20, 50 and 100 epochs, each time as the mean over the "
        "last fifth of them, since single epochs jump, corrected by Holm. A crossing "
        "is claimed only where dropout is seen behind at one of them and ahead at the last; its epoch is that of "
        "the mean curve, averaged over five epochs, with a bootstrap interval over the seeds."
    ),
    refuted_by=(
        "That dropout needs more epochs and then wins is refuted if it is seen behind after the last epoch, or "
        "ahead after the first of those looked at; it is not shown if no sign changes."
    ),
    arms=arms,
    answer=answer,
    quick=Plan(data="digits", seeds=10, settings={"hidden": (128, 128), "batch": 64, "epochs": 100}),
    full=Plan(data="fashion-mnist", seeds=10, settings={"epochs": 100}),
)
