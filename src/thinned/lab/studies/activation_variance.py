"""The variance of each hidden layer over training, with and without dropout, and what formulas say of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from thinned.lab.answer import Answer, Chart, Table
from thinned.lab.configuration import Configuration
from thinned.lab.measured import BySeed, by_epoch, cell, curve, interval, together
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.statistics import Equivalence, equivalent
from thinned.lab.wording import brief, count, diverged, listed, seeds_of, unanswered, where

MARGIN = 0.02
"""Within which share of the measured variance the formula has to be, on average over training."""

PREDICTIONS = {
    "formula": "Var(a) + r/(1-r) E[a²]",
    "published": "published: q Var(a) + q (1-q) E[a]²",
}


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """Without and with dropout, both looked into after each epoch."""
    watched = replace(base, measures=("activation_variance",))
    return {"none": watched.without_dropout(), "dropout": watched}


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """How the variance with dropout compares with that without, and each formula with what is measured."""
    layers = range(len(design.base.hidden))
    formula = [_log_ratio(records, "dropout", "train", "formula", k) for k in layers]
    if any(interval(each) is None for each in formula):
        return unanswered(records, "two seeds that finished with dropout")
    tests = [equivalent(tuple(each.values()), math.log1p(MARGIN)) for each in formula]
    return Answer(
        _verdict(tests),
        _sentence(records, tests),
        _power(records, tests),
        (_variances(records, layers), _ratios(records, layers)),
        (_table(records, layers),),
        brief(
            _opening(tests),
            f"it differs from what is measured by {_most(tests)} at most (90 % intervals)",
            records,
        ),
    )


def _column(records: Sequence[Record], arm: str, what: str, layer: int) -> list[BySeed]:
    return by_epoch(records, arm, f"variance_{what}[{layer}]")


def _log_ratio(records: Sequence[Record], arm: str, top: str, bottom: str, layer: int) -> BySeed:
    """The mean over epochs of the logarithm of one variance over another, of the same networks.

    Epochs in which either is 0, of a layer that is silent, say nothing.
    """
    sums: dict[int, list[float]] = {}
    for above, below in zip(
        _column(records, arm, top, layer), _column(records, arm, bottom, layer), strict=True
    ):
        for seed, pair in together(
            lambda a, b: math.log(a / b) if a * b > 0 else math.nan, above, below
        ).items():
            if not math.isnan(pair):
                sums.setdefault(seed, []).append(pair)
    return {seed: math.fsum(values) / len(values) for seed, values in sums.items()}


def _at_end(records: Sequence[Record], what: str, layer: int) -> BySeed:
    """The logarithm of the ratio, with dropout over without, after the last epoch."""
    last = [_column(records, arm, what, layer)[-1:] for arm in ("dropout", "none")]
    if not all(last):
        return {}
    pairs = together(lambda a, b: math.log(a / b) if a * b > 0 else math.nan, last[0][0], last[1][0])
    return {seed: value for seed, value in pairs.items() if not math.isnan(value)}


def _times(values: BySeed) -> str:
    """A mean logarithm of a ratio, as the ratio with its interval."""
    mean = interval(values)
    if mean is None:
        return "not known yet"
    estimate, low, high = (math.exp(each) for each in (mean.estimate, mean.low, mean.high))
    return f"{estimate:.3g} ({low:.3g} to {high:.3g})"


def _verdict(tests: Sequence[Equivalence]) -> str:
    if all(test.holds for test in tests):
        return "confirmed"
    refuted = any(
        abs(math.expm1(test.interval.estimate)) > MARGIN and test.interval.excludes_zero for test in tests
    )
    return "refuted" if refuted else "undecided"


def _opening(tests: Sequence[Equivalence]) -> str:
    return {
        "confirmed": f"The formula holds within {100 * MARGIN:g} %",
        "refuted": "The formula does not hold",
        "undecided": "Whether the formula holds stays open",
    }[_verdict(tests)]


def _most(tests: Sequence[Equivalence]) -> str:
    """How wrong the formula can be, by the intervals of all layers."""
    worst = max(abs(math.expm1(end)) for test in tests for end in (test.interval.low, test.interval.high))
    return f"{100 * worst:.2g} %"


def _sentence(records: Sequence[Record], tests: Sequence[Equivalence]) -> str:
    layers = range(len(tests))
    published, squares, train, test = (
        listed([_times(values) for values in column])
        for column in (
            [_log_ratio(records, "dropout", "published", "train", k) for k in layers],
            [_log_ratio(records, "dropout", "squares", "linear", k) for k in layers],
            [_at_end(records, "train", k) for k in layers],
            [_at_end(records, "test", k) for k in layers],
        )
    )
    return (
        f"{_opening(tests)}: {where(records)}, "
        "the variance that dropout leaves in training is the formula's Var(a) + "
        f"r/(1-r) E[a²] but for {_most(tests)} at most, by 90 % intervals; in layers 1, 2, ... the "
        "published "
        f"formula, of masks without a scale, gives {published} times what is measured, and the published W² "
        "Var(x), "
        f"which takes units for independent, {squares} times; after the last epoch dropout has made the "
        "variance "
        f"{train} times that without it in training, and {test} times with all units there (95 % intervals)"
        f"{diverged(records)}."
    )


def _power(records: Sequence[Record], tests: Sequence[Equivalence]) -> str:
    shifts = [math.expm1(test.interval.detectable) for test in tests]
    return (
        f"{count(seeds_of(records), 'seed')}; a formula that is wrong by {100 * max(shifts):.2g} % would be "
        "shown so four "
        "times in five by runs this noisy."
    )


def _variances(records: Sequence[Record], layers: range) -> Chart:
    drawn = [
        curve(f"layer {k + 1}, {label}", _column(records, arm, what, k))
        for k in layers
        for arm, what, label in (
            ("none", "train", "no dropout"),
            ("dropout", "train", "dropout, in training"),
            ("dropout", "test", "dropout, all units there"),
        )
    ]
    return Chart(
        "lines",
        "Variance of the hidden layers' activations",
        "epoch",
        "variance over examples, mean over units",
        tuple(drawn),
        "Of the first 1,000 training examples; in training means after the layer's dropout.",
    )


def _ratios(records: Sequence[Record], layers: range) -> Chart:
    drawn = [
        curve(
            f"layer {k + 1}, {label}",
            [
                together(lambda a, b: a / b, above, {seed: b for seed, b in below.items() if b > 0})
                for above, below in zip(
                    _column(records, "dropout", top, k), _column(records, "dropout", bottom, k), strict=True
                )
            ],
        )
        for k in layers
        for top, bottom, label in (
            ("formula", "train", PREDICTIONS["formula"]),
            ("published", "train", PREDICTIONS["published"]),
            ("squares", "linear", "published: W² Var(x)"),
        )
    ]
    return Chart(
        "lines",
        "What formulas predict, over what is measured",
        "epoch",
        "predicted variance / measured variance",
        tuple(drawn),
        "With dropout. The first two predict the variance after dropout from the activations before it, the "
        "last "
        "the variance of the linear layer's output from its input.",
        reference=1.0,
    )


def _table(records: Sequence[Record], layers: range) -> Table:
    rows = []
    for k in layers:
        for arm in ("none", "dropout"):
            last = [
                (_column(records, arm, what, k) or [{}])[-1]
                for what in ("train", "formula", "published", "test", "linear", "squares")
            ]
            rows.append((k + 1, arm, *(cell(each, 4) for each in last)))
    heads = (
        "in training",
        "formula",
        "published formula",
        "all units there",
        "linear output",
        "published W² Var(x)",
    )
    return Table(
        "Variances after the last epoch", ("layer", "arm", *heads), tuple(rows), "Means with 95 % intervals."
    )


QUESTION = Question(
    name="activation-variance",
    asks="What is the variance of the activations in each hidden layer, with and without dropout?",
    how=(
        "The chapter's network is trained without and with dropout on the same seeds. After each epoch the "
        "first "
        "1,000 training examples go through it once in training mode and once in evaluation; of each unit the "
        "variance "
        "over examples is taken, and their mean is the layer's. Three formulas are held against it: Var(a) + "
        "r/(1-r) "
        "E[a²] for the variance after dropout at rate r, which is exact in expectation over masks; the "
        "published "
        "answer's q Var(a) + q (1-q) E[a]², q = 1-r; and the published Var(Wx+b) = W² Var(x). The mean over "
        "epochs of "
        "the logarithm of measured over predicted, one number a seed, decides by two one-sided tests at "
        f"{100 * MARGIN:g} %."
    ),
    refuted_by=(
        "That the formula describes training is refuted if its mean ratio to what is measured is off by more "
        "than "
        f"{100 * MARGIN:g} % in a layer, with an interval that excludes 1."
    ),
    arms=arms,
    answer=answer,
    quick=Plan(data="digits", seeds=6, settings={"batch": 64, "epochs": 30}),
    full=Plan(data="fashion-mnist", seeds=10, settings={}),
)
