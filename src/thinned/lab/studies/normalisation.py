"""Dropout beside BatchNorm and LayerNorm, in front of it and behind it: does it still do what it did?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from thinned.lab.answer import Answer
from thinned.lab.comparison import TEST_ACCURACY, TEST_LOSS, Metric
from thinned.lab.configuration import NORMALISATIONS, Configuration
from thinned.lab.contrasts import Contrast, difference, family, interaction, runs_of
from thinned.lab.exhibits import family_chart, family_table, levels
from thinned.lab.grids import varied
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.wording import brief, change, diverged, listed, not_seen, power, seen, unanswered, where

NAMES = {
    "none": "no normalisation",
    "batch-before": "BatchNorm before dropout",
    "batch-after": "BatchNorm after dropout",
    "layer-before": "LayerNorm before dropout",
    "layer-after": "LayerNorm after dropout",
}


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """Each normalisation, without and with dropout.

    Raises:
        ConfigurationError: the user set what is varied here.
    """
    varied(scope, "normalisation")
    found: dict[str, Configuration] = {}
    for normalisation in NORMALISATIONS:
        normal = replace(base, normalisation=normalisation)
        found[without(normalisation)] = normal.without_dropout()
        found[within(normalisation)] = normal
    return found


def without(normalisation: str) -> str:
    """The name of the arm without dropout.

    Example:
        >>> without("batch-before"), without("none")
        ('batch-before', 'none')
    """
    return normalisation


def within(normalisation: str) -> str:
    """The name of the arm with dropout.

    Example:
        >>> within("batch-before"), within("none")
        ('batch-before + dropout', 'dropout')
    """
    return "dropout" if normalisation == "none" else f"{normalisation} + dropout"


def effects(records: Sequence[Record], metric: Metric = TEST_ACCURACY) -> tuple[Contrast, ...]:
    """What dropout changes with each normalisation."""
    members = {NAMES[each]: difference(within(each), without(each)) for each in NORMALISATIONS}
    return family(runs_of(records, metric), members)


def interactions(records: Sequence[Record], metric: Metric = TEST_ACCURACY) -> tuple[Contrast, ...]:
    """What dropout changes with each normalisation beyond what it changes without any."""
    members = {
        NAMES[each]: interaction(within(each), without(each), within("none"), without("none"))
        for each in NORMALISATIONS
        if each != "none"
    }
    return family(runs_of(records, metric), members)


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """The four interactions, then dropout's effect in each network."""
    found, beyond = effects(records), interactions(records)
    if any(each.interval is None for each in beyond):
        return unanswered(
            records, "two seeds that finished with every normalisation, with and without dropout"
        )
    losses = effects(records, TEST_LOSS)
    norms = family(
        runs_of(records),
        {
            NAMES[each]: difference(without(each), without("none"))
            for each in NORMALISATIONS
            if each != "none"
        },
    )
    return Answer(
        _verdict(beyond),
        _sentence(records, found, beyond, losses),
        power([*beyond, *found], records),
        (
            family_chart(
                "What dropout changes beside each normalisation", {"with minus without dropout": found}
            ),
            family_chart(
                "What dropout changes beside each normalisation",
                {"with minus without dropout": losses},
                TEST_LOSS,
            ),
            family_chart("Beyond what dropout changes without any", {"interaction": beyond}),
        ),
        (
            family_table("What dropout changes beside each normalisation", found),
            family_table("What dropout changes beside each normalisation", losses, TEST_LOSS),
            family_table("Beyond what dropout changes without any", beyond),
            family_table("What each normalisation changes by itself, without dropout", norms),
            levels(records, design.arms()),
        ),
        _brief(records, beyond),
    )


def _brief(records: Sequence[Record], beyond: Sequence[Contrast]) -> str:
    claims = [each for each in beyond if each.sign]
    figures = [change(each.interval) + f" beside {each.name}" * (len(claims) > 1) for each in claims]
    return brief(
        _opening(beyond), f"the difference is {listed(figures)}" if claims else not_seen(beyond), records
    )


def _opening(beyond: Sequence[Contrast]) -> str:
    claims = [each.name for each in beyond if each.sign]
    return {
        "undecided": "That normalisation changes what dropout does to test accuracy is not seen",
        "less": f"Dropout does less for test accuracy beside {listed(claims)} than without normalisation",
        "more": f"Dropout does more for test accuracy beside {listed(claims)} than without normalisation",
        "mixed": f"What dropout does for test accuracy depends on the normalisation: {seen(beyond)}",
    }[_verdict(beyond)]


def _verdict(beyond: Sequence[Contrast]) -> str:
    signs = {each.sign for each in beyond} - {0}
    return {(): "undecided", (-1,): "less", (1,): "more", (-1, 1): "mixed"}[tuple(sorted(signs))]


def _sentence(
    records: Sequence[Record],
    found: Sequence[Contrast],
    beyond: Sequence[Contrast],
    losses: Sequence[Contrast],
) -> str:
    each = listed([f"{effect.show()} with {effect.name}" for effect in found[1:]])
    end = f"; {not_seen(beyond)}" if _verdict(beyond) == "undecided" else ""
    return (
        f"{_opening(beyond)}: {where(records)}, "
        f"dropout changes test accuracy by {change(found[0].interval)} without "
        f"normalisation, and by {each}{end}; of these five effects, corrected together, claims are: {seen(found)}, "
        f"and in test loss: {seen(losses)}{diverged(records)}."
    )


QUESTION = Question(
    name="normalisation",
    asks="Does dropout still help beside BatchNorm and LayerNorm, before them and after them?",
    how=(
        "The chapter's network is trained with no normalisation, and with BatchNorm or LayerNorm in each hidden "
        "layer: between the linear layer and its activation, and so before dropout; or after dropout, where it "
        "sees thinned activations in training and whole ones at test. Each is trained without and with dropout on "
        "the same seeds, with the same learning rate. The four interactions decide: what dropout changes in test "
        "accuracy beside each normalisation beyond what it changes without any, corrected by Holm."
    ),
    refuted_by=(
        "That normalisation makes dropout superfluous is refuted where dropout's corrected effect beside it lies "
        "above 0, and not shown where the interaction's interval holds 0."
    ),
    arms=arms,
    answer=answer,
    quick=Plan("digits", 8, {"hidden": (128, 128), "lr": 0.3, "batch": 64, "epochs": 30}),
    full=Plan("fashion-mnist", 10, {"epochs": 20}),
)
