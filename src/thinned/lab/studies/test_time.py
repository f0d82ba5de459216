"""Dropout on or off at test: one pass with all units against one thinned network, and against averages of many."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from thinned.lab.answer import Answer, Cell, Chart, Table
from thinned.lab.comparison import TEST_ACCURACY, TEST_LOSS, Metric
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import Contrast, Runs, difference, family
from thinned.lab.exhibits import family_chart, family_table
from thinned.lab.measured import BySeed, cell, final, interval, number, said, series, together
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.wording import brief, change, diverged, power, unanswered, where

SAMPLES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Of `thinned.lab.measures.averages`."""

SMALL = {"12 units": (12,), "6 + 6 units": (6, 6)}
"""Small enough that each of the 4,096 thinned networks is run."""

PASS, ONE, MEAN, GEOMETRIC = (
    "one pass, all units",
    "one thinned network",
    "mean of 1,000",
    "geometric mean of 1,000",
)


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """The network without and with dropout, and small ones, all of whose thinned networks can be run."""
    watched = replace(base, measures=("averages",))
    found = {"none": base.without_dropout(), "dropout": watched}
    for name, hidden in SMALL.items():
        # From weights of N(0, 0.01²), SGD does not get so few units to learn anything under dropout.
        found[name] = replace(watched, hidden=hidden, rates=(0.2,) * len(hidden), optimiser="adam", lr=0.01)
    return found


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """What test-time dropout costs, and what averaging buys, within the same trained networks."""
    accuracy, loss = (_judged(records, metric) for metric in (TEST_ACCURACY, TEST_LOSS))
    if accuracy[0].interval is None:
        return unanswered(records, "two seeds that finished with dropout")
    return Answer(
        _verdict(accuracy, loss),
        _sentence(records, accuracy, loss),
        power(accuracy, records),
        (
            _curves(records, TEST_LOSS),
            _curves(records, TEST_ACCURACY),
            _errors(records),
            family_chart("Against one pass with all units", {"test accuracy": accuracy}),
        ),
        (
            family_table("Against one pass with all units", accuracy),
            family_table("Against one pass with all units", loss, TEST_LOSS),
            _between(records),
            _small(records),
        ),
        brief(
            _OPENINGS[_verdict(accuracy, loss)],
            f"a thinned network instead of all units changes test accuracy by {change(accuracy[0].interval)}",
            records,
        ),
    )


_OPENINGS = {
    "off": "Dropout belongs off at test",
    "on": "Dropout on at test was better",
    "undecided": "Whether dropout belongs off at test stays open",
}
"""By the verdict."""


def _runs(records: Sequence[Record], metric: Metric) -> Runs:
    """The ways to predict, as if they were arms; they share their trained networks."""
    stem = metric.name.removeprefix("test_")
    names = {
        PASS: metric.name,
        ONE: f"single_{stem}",
        MEAN: f"arithmetic_{stem}[{len(SAMPLES) - 1}]",
        GEOMETRIC: f"geometric_{stem}[{len(SAMPLES) - 1}]",
    }
    found = {way: final(records, "dropout", name, metric.factor) for way, name in names.items()}
    return found | {"without dropout": final(records, "none", metric.name, metric.factor)}


def _judged(records: Sequence[Record], metric: Metric) -> tuple[Contrast, ...]:
    ways = (ONE, MEAN, GEOMETRIC, "without dropout")
    return family(_runs(records, metric), {way: difference(way, PASS) for way in ways})


def _verdict(accuracy: Sequence[Contrast], loss: Sequence[Contrast]) -> str:
    """Whether dropout belongs off or on at test, one pass against one pass."""
    signs = {accuracy[0].sign, -loss[0].sign} - {0}
    return "undecided" if len(signs) != 1 else "off" if signs == {-1} else "on"


def _sentence(records: Sequence[Record], accuracy: Sequence[Contrast], loss: Sequence[Contrast]) -> str:
    return (
        f"{_OPENINGS[_verdict(accuracy, loss)]}: {where(records)}, "
        "against one pass with all units a single thinned network changes test "
        "accuracy "
        f"by {change(accuracy[0].interval)} and test loss by {change(loss[0].interval, TEST_LOSS)}; the mean "
        "of 1,000 "
        f"thinned networks changes accuracy by {change(accuracy[1].interval)} and loss by "
        f"{change(loss[1].interval, TEST_LOSS)}, their geometric mean loss by "
        f"{change(loss[2].interval, TEST_LOSS)}; "
        "between thinned networks a class's probability has a standard deviation of "
        f"{said(interval(_deviations(records, 'dropout')), 4)}"
        f"{_of_all(records)}{diverged(records)}."
    )


def _of_all(records: Sequence[Record]) -> str:
    """What the small networks say of the single pass as a stand-in for the geometric mean over all networks."""
    parts = []
    for name in SMALL:
        gaps = final(records, name, "all_scaling")
        if gaps:
            parts.append(f"{number(max(gaps.values()))} with {name}")
    if not parts:
        return ""
    return (
        "; over all 4,096 thinned networks of a small one, the largest difference of a probability between the "
        f"single pass and the geometric mean was, in any run, {' and '.join(parts)}"
    )


def _against_pass(records: Sequence[Record], kind: str, metric: Metric) -> list[BySeed]:
    stem = metric.name.removeprefix("test_")
    whole = final(records, "dropout", metric.name, metric.factor)
    return [
        together(
            lambda mean, one: mean - one,
            final(records, "dropout", f"{kind}_{stem}[{i}]", metric.factor),
            whole,
        )
        for i in range(len(SAMPLES))
    ]


def _curves(records: Sequence[Record], metric: Metric) -> Chart:
    unit = "points" if metric is TEST_ACCURACY else metric.unit
    return Chart(
        "lines",
        f"Averages of thinned networks, against one pass: {metric.label}",
        "thinned networks averaged",
        f"change in {metric.label}, {unit}",
        tuple(
            series(f"{kind} mean", SAMPLES, _against_pass(records, kind, metric))
            for kind in ("arithmetic", "geometric")
        ),
        "The same trained networks throughout; 0 is one pass with all units.",
        log_x=True,
        reference=0.0,
    )


def _errors(records: Sequence[Record]) -> Chart:
    return Chart(
        "lines",
        "How near sampled means come to the mean of all networks",
        "thinned networks averaged",
        "root mean square error of a probability",
        tuple(
            series(name, SAMPLES, [final(records, name, f"sampled_error[{i}]") for i in range(len(SAMPLES))])
            for name in SMALL
        ),
        "Of small networks, all 4,096 of whose thinned networks were run.",
        log_x=True,
    )


def _small(records: Sequence[Record]) -> Table:
    rows: list[tuple[str | Cell, ...]] = []
    for name in SMALL:
        columns = [
            final(records, name, each)
            for each in ("test_loss", "all_geometric_loss", "all_arithmetic_loss", "single_loss")
        ]
        gaps = final(records, name, "all_scaling")
        excess = together(lambda a, b: a - b, columns[2], columns[0])
        worst = number(max(gaps.values())) if gaps else ""
        rows.append((name, *(cell(each, 4) for each in columns), cell(excess, 4, signed=True), worst))
    heads = (
        "one pass", "all, geometric mean", "all, arithmetic mean", "one thinned network",
        "arithmetic minus one pass", "largest |single pass - geometric mean|",
    )  # fmt: skip
    return Table(
        "Small networks and all their thinned networks: test loss, nats",
        ("network", *heads),
        tuple(rows),
        "Each of the 4,096 thinned networks by its probability. Means with 95 % intervals; the last column is "
        "the "
        "largest difference of a probability over all runs, test examples and classes.",
    )


def _deviations(records: Sequence[Record], name: str) -> BySeed:
    """Of a class's probability between thinned networks.

    Where all thinned networks say the same, rounding may have left a variance of less than 0: the deviation is 0.
    """
    return together(
        lambda variance: math.sqrt(max(variance, 0.0)), final(records, name, "prediction_variance")
    )


def _between(records: Sequence[Record]) -> Table:
    rows = tuple(
        (
            name,
            cell(_deviations(records, name), 4),
            cell(final(records, name, "changed", 100)),
        )
        for name in ("dropout", *SMALL)
    )
    return Table(
        "How far thinned networks lie apart",
        ("network", "standard deviation of a class's probability", "predictions unlike the single pass's, %"),
        rows,
        "Over 1,000 thinned networks: the root of the variance's mean over test examples and classes. Means "
        "with 95 % "
        "intervals.",
    )


QUESTION = Question(
    name="test-time",
    asks="Why is dropout not typically used at test time?",
    how=(
        "The chapter's network is trained with dropout. Then, on the test set, one pass with all units is "
        "compared "
        "with a single thinned network (the mean of 1,000), and with arithmetic and geometric means of the "
        "probabilities of 1 to 1,000 thinned networks, within the same trained networks; four comparisons, "
        "corrected by Holm, of accuracy and of loss. Networks of 12 hidden units, in one layer or in two, are "
        "small enough to run each of their 4,096 thinned networks, weighted by its probability."
    ),
    refuted_by=(
        "That dropout belongs off at test is refuted if a single thinned network has the higher accuracy or "
        "the lower "
        "loss, after Holm's correction. That one pass is the geometric mean of all networks is refuted for one "
        "thinned "
        "layer by any difference beyond rounding."
    ),
    arms=arms,
    answer=answer,
    quick=Plan(data="digits", seeds=5, settings={"batch": 64, "epochs": 30}),
    full=Plan(data="fashion-mnist", seeds=10, settings={}),
)
