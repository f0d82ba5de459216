"""Do hidden units lean on each other less with dropout? Correlations, zeros, and what removing some costs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from thinned.lab.answer import Answer, Chart, Table
from thinned.lab.comparison import Metric
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import Contrast, Runs, difference, family
from thinned.lab.exhibits import family_chart, family_table
from thinned.lab.measured import BySeed, cell, final, series, together
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.wording import brief, change, diverged, listed, not_seen, power, unanswered, where

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)
"""Of `thinned.lab.measures.co_adaptation`."""

HALF = SHARES.index(0.5)

KEPT = Metric("kept", "accuracy kept without units", "percentage points", 100, 2, 1)
ALIKE = Metric("alike", "mean |correlation| of units", "of |r|", 1, 3, -1)
ZEROS = Metric("zeros", "share of zero activations", "percentage points", 100, 2, 1)


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """Without and with dropout, both looked into at the end."""
    watched = replace(base, measures=("co_adaptation",))
    return {"none": watched.without_dropout(), "dropout": watched}


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """What dropout changes in the robustness, the correlations and the zeros of hidden units."""
    layers = range(len(design.base.hidden))
    kept = family(_kept_runs(records), {_without(i): _pair(_without(i)) for i in range(1, len(SHARES))})
    alike, zeros = (_by_layer(records, name, layers) for name in ("correlation", "zeros"))
    if kept[0].interval is None:
        return unanswered(records, "two seeds that finished in both arms")
    return Answer(
        _verdict(kept),
        _sentence(records, kept, alike, zeros),
        power(kept, records, KEPT),
        (
            _removal(records, "removed_accuracy", "those left scaled up"),
            _removal(records, "unscaled_accuracy", "those left as they are"),
            family_chart("Correlation of hidden units, dropout minus none", {"|r|": alike}, ALIKE),
            family_chart("Zero activations, dropout minus none", {"zeros": zeros}, ZEROS),
        ),
        (
            family_table("Dropout minus none, change of accuracy by removing units", kept, KEPT),
            family_table("Dropout minus none", alike, ALIKE),
            family_table("Dropout minus none", zeros, ZEROS),
            _levels(records, layers),
        ),
        brief(
            _OPENINGS[_verdict(kept)],
            "the change of test accuracy by removing half of them differs by "
            f"{change(kept[HALF - 1].interval, KEPT)} from that without dropout",
            records,
        ),
    )


_OPENINGS = {
    "less": "Hidden units need each other less with dropout",
    "more": "Hidden units need each other more with dropout",
    "undecided": "Whether hidden units need each other less with dropout stays open",
}
"""By the verdict."""


def _without(i: int) -> str:
    return f"{100 * SHARES[i]:g} % of units removed"


def _pair(name: str) -> dict[str, float]:
    return difference(f"dropout, {name}", f"none, {name}")


def _kept_runs(records: Sequence[Record]) -> Runs:
    """By how much removing units changes the accuracy of the same network."""
    found: Runs = {}
    for arm in ("none", "dropout"):
        whole = final(records, arm, "removed_accuracy[0]", KEPT.factor)
        for i in range(1, len(SHARES)):
            left = final(records, arm, f"removed_accuracy[{i}]", KEPT.factor)
            found[f"{arm}, {_without(i)}"] = together(lambda a, b: a - b, left, whole)
    return found


def _by_layer(records: Sequence[Record], name: str, layers: range) -> tuple[Contrast, ...]:
    factor = {"correlation": ALIKE, "zeros": ZEROS}[name].factor
    runs: Runs = {
        f"{arm}, layer {k + 1}": final(records, arm, f"{name}[{k}]", factor)
        for k in layers
        for arm in ("none", "dropout")
    }
    return family(runs, {f"layer {k + 1}": _pair(f"layer {k + 1}") for k in layers})


def _verdict(kept: Sequence[Contrast]) -> str:
    """By half of the units removed."""
    return {1: "less", -1: "more", 0: "undecided"}[kept[HALF - 1].sign]


def _sentence(
    records: Sequence[Record], kept: Sequence[Contrast], alike: Sequence[Contrast], zeros: Sequence[Contrast]
) -> str:
    verdict = _verdict(kept)
    end = f"; {not_seen([kept[HALF - 1]], KEPT)}" if verdict == "undecided" else ""
    runs = _kept_runs(records)
    lost = {arm: cell(runs[f"{arm}, {_without(HALF)}"], signed=True).text for arm in ("none", "dropout")}
    return (
        f"{_OPENINGS[verdict]}: {where(records)}, removing half of all hidden units changes test accuracy by "
        f"{lost['none']} points "
        f"without dropout and by {lost['dropout']} with it, a difference of "
        f"{change(kept[HALF - 1].interval, KEPT)}{end}; "
        f"the mean |correlation| of units changes by {listed([each.show(ALIKE) for each in alike])} in layers "
        f"{_numbers(alike)}, and the share of zero activations by "
        f"{listed([each.show(ZEROS) for each in zeros])} points "
        f"(95 % intervals){diverged(records)}."
    )


def _numbers(contrasts: Sequence[Contrast]) -> str:
    return listed([str(k) for k in range(1, len(contrasts) + 1)])


def _removal(records: Sequence[Record], name: str, how: str) -> Chart:
    return Chart(
        "lines",
        f"Test accuracy with hidden units removed, {how}",
        "share of the hidden units removed, %",
        "test accuracy, %",
        tuple(
            series(
                {"none": "no dropout"}.get(arm, arm),
                tuple(100 * share for share in SHARES),
                [final(records, arm, f"{name}[{i}]", 100) for i in range(len(SHARES))],
            )
            for arm in ("none", "dropout")
        ),
        "Of every hidden layer, the same units for all examples; each point is the mean of 10 random subsets.",
    )


def _levels(records: Sequence[Record], layers: range) -> Table:
    rows = []
    for k in layers:
        for arm in ("none", "dropout"):
            columns: list[BySeed] = [
                final(records, arm, f"correlation[{k}]"),
                final(records, arm, f"zeros[{k}]", 100),
                final(records, arm, f"silent[{k}]", 100),
            ]
            rows.append((k + 1, arm, cell(columns[0], 3), cell(columns[1]), cell(columns[2])))
    heads = ("layer", "arm", "mean |r| of pairs of units", "zero activations, %", "units always zero, %")
    return Table(
        "Hidden units on the test set", heads, tuple(rows), "Dropout off. Means with 95 % intervals."
    )


QUESTION = Question(
    name="co-adaptation",
    asks="Do hidden units depend less on each other with dropout?",
    how=(
        "The chapter's network is trained without and with dropout on the same seeds. Of the trained networks, "
        "on the "
        "test set, dropout off: the mean absolute correlation of pairs of units of a layer, the share of "
        "activations "
        "that are zero, and the accuracy with random shares of all hidden units removed, those left multiplied "
        "by one "
        "over the share that is left. How much accuracy changes when half are removed, with dropout minus "
        "without, "
        "decides; that family of five shares is corrected by Holm."
    ),
    refuted_by=(
        "That units need each other less is refuted if the network with dropout loses more accuracy than the "
        "other when "
        "half of the units are removed, after Holm's correction, and not shown where that is no claim."
    ),
    arms=arms,
    answer=answer,
    quick=Plan(data="digits", seeds=8, settings={"batch": 64, "epochs": 30}),
    full=Plan(data="fashion-mnist", seeds=10, settings={}),
)
