"""Which layer should have the higher rate? The chapter's two rates swapped, and the whole map of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from thinned.errors import ConfigurationError
from thinned.lab.answer import Answer
from thinned.lab.comparison import TEST_LOSS
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import Contrast, contrast, difference, family, mean_of, runs_of
from thinned.lab.exhibits import family_chart, family_table, levels, map_of
from thinned.lab.grids import varied
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.wording import brief, change, diverged, listed, not_seen, power, unanswered, where

PAIRS = ((0.2, 0.5), (0.1, 0.5), (0.1, 0.9))
"""The pairs of rates that are swapped, the lower in the first hidden layer, as the chapter advises."""

RATES = {"quick": (0.0, 0.1, 0.2, 0.5, 0.9), "full": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)}
"""Of each layer, in the map; those of the pairs are among them."""


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """Every pair of rates, the one without dropout first.

    Raises:
        ConfigurationError: a network that has not two hidden layers, whose rates could be swapped.
    """
    varied(scope, "rates")
    if len(base.hidden) != 2:
        raise ConfigurationError(
            f"expected two hidden layers, whose rates are swapped; got {len(base.hidden)}. Give two widths, "
            "such as 256,256."
        )
    rates = RATES[scope]
    return {arm(first, second): replace(base, rates=(first, second)) for first in rates for second in rates}


def arm(first: float, second: float) -> str:
    """The name of the arm with these rates.

    Example:
        >>> arm(0.2, 0.5)
        '0.2, 0.5'
    """
    return f"{first:g}, {second:g}"


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """What the swaps change, the mean of the three first; then every cell of the map against no dropout."""
    swaps = {f"{arm(b, a)} instead of {arm(a, b)}": difference(arm(b, a), arm(a, b)) for a, b in PAIRS}
    runs, losses = runs_of(records), runs_of(records, TEST_LOSS)
    mean = contrast(runs, "mean of the swaps", mean_of(list(swaps.values())))
    if mean.interval is None:
        return unanswered(records, "two seeds that finished with every pair of rates that is swapped")
    swapped = family(runs, swaps)
    cells = _map(design, records)
    six = family(
        runs, {arm(*each): difference(arm(*each), arm(0, 0)) for p in PAIRS for each in (p, p[::-1])}
    )
    return Answer(
        {1: "first", -1: "second", 0: "undecided"}[mean.sign],
        _sentence(records, mean, swapped, cells),
        power([mean, *swapped], records),
        (
            map_of(
                "What each pair of rates changes in test accuracy",
                ("rate of the second hidden layer", "rate of the first hidden layer"),
                {(second, first): cell for (first, second), cell in cells.items()},
                note="Against the network without dropout, paired by seed.",
            ),
            family_chart("The higher rate first, minus the same rates swapped", {"swap": swapped}),
            family_chart("The six pairs against no dropout", {"with minus without dropout": six}),
        ),
        (
            family_table("The higher rate in the first layer instead of the second", [mean, *swapped]),
            family_table(
                "The higher rate in the first layer instead of the second", family(losses, swaps), TEST_LOSS
            ),
            family_table("The six pairs against no dropout", six),
            levels(records, design.arms()),
        ),
        brief(
            _opening(mean, swapped),
            f"swapping changes test accuracy by {change(mean.interval)} on average of three pairs",
            records,
        ),
    )


def _opening(mean: Contrast, swapped: Sequence[Contrast]) -> str:
    opening = {
        1: "On average the higher rate is better in the first hidden layer",
        -1: "On average the higher rate is better in the second hidden layer, as the chapter has it",
        0: "Which of the two layers has the higher rate makes no difference on average that can be seen",
    }[mean.sign]
    claims = [swap.name for swap in swapped if swap.sign]
    alone = mean.sign and 0 < len(claims) < len(swapped)
    return f"{opening}, by {listed(claims)} alone" if alone else opening


def _map(design: Design, records: Sequence[Record]) -> dict[tuple[float, float], Contrast]:
    runs = runs_of(records)
    pairs = {name: each.rates for name, each in design.arms().items() if any(each.rates)}
    found = family(runs, {name: difference(name, arm(0, 0)) for name in pairs})
    return {(pairs[cell.name][0], pairs[cell.name][1]): cell for cell in found}


def _sentence(
    records: Sequence[Record],
    mean: Contrast,
    swapped: Sequence[Contrast],
    cells: Mapping[tuple[float, float], Contrast],
) -> str:
    each = listed([f"{swap.show()} for {swap.name}" for swap in swapped])
    claims = [swap.name for swap in swapped if swap.sign]
    which = (
        f"of the three, {listed(claims)} {'shows' if len(claims) == 1 else 'show'}"
        if claims
        else "none of the three shows"
    )
    better, worse = (sum(cell.sign == sign for cell in cells.values()) for sign in (1, -1))
    end = f"; {not_seen([mean])}" if not mean.sign else ""
    return (
        f"{_opening(mean, swapped)}: {where(records)}, "
        f"swapping changes test accuracy by {change(mean.interval)} on average of "
        f"three pairs: {each}; {which} a difference by itself after Holm's correction{end}; of the {len(cells)} "
        f"pairs of rates on the map, {better} {'is' if better == 1 else 'are'} better and {worse} worse than no "
        f"dropout, corrected for all of them{diverged(records)}."
    )


QUESTION = Question(
    name="swap-rates",
    asks="What happens when the two layers' dropout rates are changed, or swapped?",
    how=(
        "The chapter's network is trained at every pair of rates of its two hidden layers, on the same seeds: "
        "(0.2, 0.5), (0.1, 0.5) and (0.1, 0.9) with their mirror images, and the map around them. The mean effect "
        "of the three swaps on test accuracy, one number a seed, decides; the single swaps, and each cell of the "
        "map against no dropout, are families of their own, corrected by Holm. No best cell is named: the best of "
        "so many is the best by luck too."
    ),
    refuted_by=(
        "That the layer nearer to the input should have the lower rate is refuted if the 95 % interval of the "
        "swaps' mean effect lies above 0, and not shown if it holds 0."
    ),
    arms=arms,
    answer=answer,
    quick=Plan("digits", 4, {"hidden": (128, 128), "lr": 0.3, "batch": 64, "epochs": 30}),
    full=Plan(data="fashion-mnist", seeds=10, settings={}),
)
