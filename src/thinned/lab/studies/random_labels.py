"""Labels that mean nothing: how much of them a network learns by heart, and what each regulariser does to that."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from thinned.lab.answer import Answer, Cell, Chart, Table
from thinned.lab.comparison import TEST_ACCURACY, Metric
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import Contrast, Runs, difference, family
from thinned.lab.exhibits import family_chart, family_table
from thinned.lab.measured import by_epoch, cell, curve, final
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.wording import brief, change, diverged, listed, not_seen, power, seen, unanswered, where

FITTED = Metric("train_accuracy", "share of random labels known by heart", "percentage points", 100, 2, -1)

REGULARISERS: dict[str, dict[str, Any]] = {
    "dropout": {"rates": 0.5},
    "Gaussian dropout": {"method": "GaussianDropout", "rates": 0.5},
    "DropConnect": {"method": "DropConnectLinear", "method_args": {"per": "batch"}, "rates": 0.5},
    "weight decay": {"weight_decay": 0.001},
    "input noise": {"input_noise": 0.2},
}
"""Each at one usual strength, and alone."""

EXAMPLES = {"quick": 300, "full": 5000}
"""Few enough that the network can know all their labels by heart."""


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """Random and true labels, without anything and with each regulariser."""
    examples = min(EXAMPLES[scope], scope.data.get("train_examples", EXAMPLES[scope]))
    plain = replace(base.without_dropout(), measures=("fit",))
    if plain.train_examples is None:
        plain = replace(plain, train_examples=examples)
    found = {}
    for labels, share in (("random", 1.0), ("true", 0.0)):
        for name, settings in {"none": {}, **REGULARISERS}.items():
            rates = {"rates": (settings["rates"],) * len(base.hidden)} if "rates" in settings else {}
            found[f"{labels}, {name}"] = replace(plain, random_labels=share, **(settings | rates))
    return found


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """What each regulariser does to the labels known by heart, and to the test accuracy of true ones."""
    heart = _family(records, "random", FITTED)
    truth = _family(records, "true", TEST_ACCURACY)
    if any(each.interval is None for each in (*heart, *truth)):
        return unanswered(records, "two seeds that finished in every arm")
    return Answer(
        _verdict(heart),
        _sentence(records, heart, truth),
        power(heart, records, FITTED),
        (
            _curves(records),
            family_chart(
                "Random labels known by heart, against no regulariser", {"random labels": heart}, FITTED
            ),
            family_chart("Test accuracy with true labels, against no regulariser", {"true labels": truth}),
        ),
        (
            family_table("Random labels, against no regulariser", heart, FITTED),
            family_table("True labels, against no regulariser", truth),
            _levels(records),
        ),
        brief(
            _OPENINGS[_verdict(heart)],
            f"it changes the share of random labels known at the end by {change(heart[0].interval, FITTED)}",
            records,
        ),
    )


_OPENINGS = {
    "helped": "With dropout the network learns more random labels by heart",
    "hindered": "Dropout hinders learning by heart",
    "undecided": "Whether dropout hinders learning by heart stays open",
}
"""By the verdict."""


def _family(records: Sequence[Record], labels: str, metric: Metric) -> tuple[Contrast, ...]:
    names = ("none", *REGULARISERS)
    runs: Runs = {name: final(records, f"{labels}, {name}", metric.name, metric.factor) for name in names}
    return family(runs, {name: difference(name, "none") for name in REGULARISERS})


def _verdict(heart: Sequence[Contrast]) -> str:
    """By dropout, which the question is about."""
    return {1: "helped", -1: "hindered", 0: "undecided"}[heart[0].sign]


def _sentence(records: Sequence[Record], heart: Sequence[Contrast], truth: Sequence[Contrast]) -> str:
    verdict = _verdict(heart)
    base = cell(final(records, "random, none", "train_accuracy", 100)).text
    effects = listed([f"{each.name} {each.show(FITTED)}" for each in heart])
    end = f"; {not_seen(heart, FITTED)}" if verdict == "undecided" else ""
    return (
        f"{_OPENINGS[verdict]}: {where(records)}, "
        f"without anything {base} % of the random labels are known at the end, "
        "and "
        f"dropout changes that by {change(heart[0].interval, FITTED)}; each at one usual strength, the changes "
        "are "
        f"{effects} points (95 % intervals){end}; of true labels, the claims about test accuracy are: "
        f"{seen(truth)}, where dropout changes it by {change(truth[0].interval)}{diverged(records)}."
    )


def _curves(records: Sequence[Record]) -> Chart:
    return Chart(
        "lines",
        "Random labels known by heart",
        "epoch",
        "share of the random training labels, dropout off, %",
        tuple(
            curve(name, by_epoch(records, f"random, {name}", "fitted", 100))
            for name in ("none", *REGULARISERS)
        ),
        "Ten classes, so one in ten is chance where classes are equally frequent.",
    )


def _levels(records: Sequence[Record]) -> Table:
    columns = (("random", "train_accuracy"), ("random", "test_accuracy"), ("true", "train_accuracy"),
               ("true", "test_accuracy"))  # fmt: skip
    rows: tuple[tuple[str | Cell, ...], ...] = tuple(
        (name, *(cell(final(records, f"{labels}, {name}", metric, 100)) for labels, metric in columns))
        for name in ("none", *REGULARISERS)
    )
    heads = ("random labels known, %", "test accuracy after them, %", "true labels known, %",
             "test accuracy after them, %")  # fmt: skip
    return Table(
        "What each arm reached", ("regulariser", *heads), rows, "Means with 95 % intervals, dropout off."
    )


QUESTION = Question(
    name="random-labels",
    asks="What does each regulariser do to a network that can memorise random labels?",
    how=(
        "The chapter's network, trained by Adam on few examples, can learn labels by heart that were drawn at "
        "random. "
        "It is trained on such labels, and on the true ones of the same examples, without anything and with "
        "each "
        "regulariser alone at one usual strength, on the same seeds. The share of the training labels that it "
        "gives "
        "at the end with dropout off, compared with no regulariser and corrected by Holm, decides by dropout's "
        "row; the "
        "test accuracy with true labels shows what the same strength does where there is something to learn."
    ),
    refuted_by=(
        "That dropout hinders learning by heart is refuted if the change lies above 0 after Holm's correction, "
        "and not "
        "shown if it is no claim."
    ),
    arms=arms,
    answer=answer,
    quick=Plan(
        data="digits", seeds=5, settings={"batch": 64, "epochs": 80, "optimiser": "adam", "lr": 0.003}
    ),
    full=Plan(
        data="fashion-mnist",
        seeds=10,
        settings={"batch": 256, "epochs": 100, "optimiser": "adam", "lr": 0.001},
    ),
)
