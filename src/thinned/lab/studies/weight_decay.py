"""Do dropout and weight decay add up? Every rate with every decay, and the interaction with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from thinned.lab.answer import Answer, Chart, HeatMap
from thinned.lab.comparison import TEST_ACCURACY, TEST_LOSS, Metric
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import Contrast, difference, family, interaction, runs_of
from thinned.lab.exhibits import family_chart, family_table, label, levels, line, map_of
from thinned.lab.grids import varied
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.tuning import best, split, stages
from thinned.lab.wording import brief, change, count, diverged, not_seen, power, seeds_of, unanswered, where

RATES = {"quick": (0.0, 0.2, 0.5), "full": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)}
"""Of both hidden layers."""

DECAYS = {"quick": (0.0, 1e-4, 1e-3, 0.5), "full": (0.0, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.5)}
"""The last is that of a published answer, and far too large."""

USABLE = 0.1
"""Decays below are drawn as lines: above, nothing is learned."""


def arm(rate: float, decay: float) -> str:
    """The name of the arm with this rate and this decay.

    Example:
        >>> arm(0.5, 1e-4)
        'rate 0.5, decay 0.0001'
    """
    return f"rate {rate:g}, decay {decay:g}"


NEITHER = arm(0, 0)


def grid(base: Configuration, scope: Scope) -> dict[str, Configuration]:
    """Every rate with every decay, the cell with neither first."""
    found: dict[str, Configuration] = {}
    for rate in RATES[scope]:
        thinned = replace(base, rates=(rate,) * len(base.hidden)) if rate else base.without_dropout()
        for decay in DECAYS[scope]:
            found[arm(rate, decay)] = replace(thinned, weight_decay=decay)
    return found


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """The first stage: each rate alone and each decay alone, measured on a validation part.

    Raises:
        ConfigurationError: the user set what is varied here.
    """
    varied(scope, "rates", "weight_decay")
    cells = grid(base, scope)
    alone = [
        *(arm(rate, 0) for rate in RATES[scope] if rate),
        *(arm(0, each) for each in DECAYS[scope] if each),
    ]
    return split({name: cells[name] for name in alone})


def second(design: Design, records: Sequence[Record]) -> Mapping[str, Configuration]:
    """The second stage: the whole grid, on all training examples and fresh seeds."""
    return grid(design.base, design.scope)


@dataclass(frozen=True, slots=True)
class Found:
    """What the best rate and the best decay do, alone and together, judged together.

    Args:
        dropout: the best rate alone, minus neither.
        decay: the best decay alone, minus neither.
        both: the two together, minus neither.
        together: what both do beyond the sum of what each does alone: the interaction.
        beyond: both, minus the better of the two alone.
    """

    dropout: Contrast
    decay: Contrast
    both: Contrast
    together: Contrast
    beyond: Contrast

    @property
    def all(self) -> tuple[Contrast, ...]:
        """In the order above."""
        return (self.dropout, self.decay, self.both, self.together, self.beyond)

    @property
    def verdict(self) -> str:
        """By the interaction, and whether both together are worse than one alone."""
        if self.together.sign < 0:
            return "cancelling" if self.beyond.sign < 0 else "diminishing"
        if self.together.sign > 0:
            return "synergy"
        return "additive" if self.dropout.sign > 0 and self.decay.sign > 0 else "undecided"


def picked(design: Design, records: Sequence[Record]) -> tuple[float, float, str] | None:
    """The best rate alone, the best decay alone, and the arm of the better of the two, by validation."""
    rates = {rate: arm(rate, 0) for rate in RATES[design.scope] if rate}
    decays = {decay: arm(0, decay) for decay in DECAYS[design.scope] if decay}
    rate, decay = best(records, rates), best(records, decays)
    if rate is None or decay is None:
        return None
    better = best(records, {arm(rate, 0): arm(rate, 0), arm(0, decay): arm(0, decay)})
    return rate, decay, better or NEITHER


def found(records: Sequence[Record], pick: tuple[float, float, str], metric: Metric) -> Found:
    """The five contrasts at the chosen rate and decay."""
    rate, decay, better = pick
    both, first, last = arm(rate, decay), arm(rate, 0), arm(0, decay)
    members = {
        f"dropout alone, {rate:g}": difference(first, NEITHER),
        f"weight decay alone, {decay:g}": difference(last, NEITHER),
        "both": difference(both, NEITHER),
        "both, beyond the sum of each alone": interaction(both, first, last, NEITHER),
        f"both, beyond {better}": difference(both, better),
    }
    return Found(*family(runs_of(records, metric), members))


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """The interaction of the best rate and the best decay, then that of each cell."""
    tried, final = stages(records)
    pick = picked(design, records)
    accuracy = None if pick is None else found(final, pick, TEST_ACCURACY)
    if pick is None or accuracy is None or accuracy.together.interval is None:
        return unanswered(records, "the runs that choose a rate and a decay, and two seeds of the whole grid")
    loss = found(final, pick, TEST_LOSS)
    cells, interactions = _cells(design, final), _interactions(design, final)
    return Answer(
        accuracy.verdict,
        _sentence(final, pick, accuracy, loss, cells),
        f"The rate and the decay were chosen on {count(seeds_of(tried), 'seed')}. {power(accuracy.all, final)}",
        _pictures(accuracy, cells, interactions),
        (
            family_table("At the best rate and the best decay", accuracy.all),
            family_table("At the best rate and the best decay", loss.all, TEST_LOSS),
            family_table("The interaction in each cell", list(interactions.values())),
            levels(final, grid(design.base, design.scope)),
        ),
        brief(
            _OPENINGS[accuracy.verdict],
            "in test accuracy both together differ from the sum of each alone by "
            f"{change(accuracy.together.interval)}",
            final,
        ),
    )


_OPENINGS = {
    "additive": "Dropout and weight decay both help, and no departure from the sum of the two is seen",
    "diminishing": "Dropout and weight decay together do less than the sum of what each does alone",
    "cancelling": "Dropout and weight decay spoil each other: both are worse than the better one alone",
    "synergy": "Dropout and weight decay together do more than the sum of what each does alone",
    "undecided": "Whether dropout and weight decay add up stays open",
}
"""By the verdict."""


def _pictures(
    accuracy: Found,
    cells: Mapping[tuple[float, float], Contrast],
    interactions: Mapping[tuple[float, float], Contrast],
) -> tuple[Chart | HeatMap, ...]:
    axes = ("weight decay", "rate of both hidden layers")
    return (
        map_of(
            "What each rate with each decay changes in test accuracy",
            axes,
            cells,
            note="Against neither, paired by seed.",
        ),
        map_of(
            "The interaction: what both do beyond the sum of each alone",
            axes,
            interactions,
            note="Below 0, the two do less together than the sum of what each does alone. With a decay of 0.5 "
            "nothing is learned at any rate, so there it is dropout's own effect with its sign turned.",
        ),
        family_chart("At the best rate and the best decay", {"test accuracy": accuracy.all}),
        _lines(cells),
    )


def _positions(design: Design) -> dict[str, tuple[float, float]]:
    """Of each arm of the grid, (decay, rate)."""
    cells = grid(design.base, design.scope)
    return {name: (each.weight_decay, each.rates[0]) for name, each in cells.items()}


def _cells(design: Design, records: Sequence[Record]) -> dict[tuple[float, float], Contrast]:
    """Each cell against neither."""
    at = {name: where_ for name, where_ in _positions(design).items() if name != NEITHER}
    judged = family(runs_of(records), {name: difference(name, NEITHER) for name in at})
    return {at[each.name]: each for each in judged}


def _interactions(design: Design, records: Sequence[Record]) -> dict[tuple[float, float], Contrast]:
    """The interaction in each cell with both."""
    at = {name: where_ for name, where_ in _positions(design).items() if all(where_)}
    members = {
        name: interaction(name, arm(rate, 0), arm(0, decay), NEITHER) for name, (decay, rate) in at.items()
    }
    return {at[each.name]: each for each in family(runs_of(records), members)}


def _lines(cells: Mapping[tuple[float, float], Contrast]) -> Chart:
    rates = sorted({rate for _, rate in cells})
    series = []
    for decay in sorted({decay for decay, _ in cells if decay < USABLE}):
        at = [rate for rate in rates if (decay, rate) in cells]
        series.append(line(f"decay {decay:g}", at, [cells[decay, rate] for rate in at]))
    return Chart(
        "lines",
        "Lines that are parallel add up",
        "rate of both hidden layers",
        label(TEST_ACCURACY, change=True),
        tuple(series),
        "Against neither. The decay of 0.5 is left out: nothing is learned with it.",
        reference=0.0,
    )


def _sentence(
    records: Sequence[Record],
    pick: tuple[float, float, str],
    accuracy: Found,
    loss: Found,
    cells: Mapping[tuple[float, float], Contrast],
) -> str:
    why = (
        ", as neither the interaction nor a gain in test accuracy by each of the two is seen"
        if accuracy.verdict == "undecided"
        else ""
    )
    end = f"; {not_seen([accuracy.together])}" if not accuracy.together.sign else ""
    claimed = " (a claim after the correction)" if accuracy.beyond.sign else ""
    large = cells.get((DECAYS["full"][-1], 0.0))
    ruin = (
        ""
        if large is None or large.interval is None
        else f"; a decay of 0.5 changes accuracy by {large.show()}"
    )
    return (
        f"{_OPENINGS[accuracy.verdict]}{why}: {where(records)}, "
        f"at the rate {pick[0]:g} and the decay {pick[1]:g}, which were best alone in "
        f"validation, dropout changes test accuracy by {accuracy.dropout.show()} points, weight decay by "
        f"{accuracy.decay.show()}, both by {accuracy.both.show()}, which differs from the sum by "
        f"{change(accuracy.together.interval)}{end}; against the better one alone, both together change it by "
        f"{change(accuracy.beyond.interval)}{claimed}; in test loss the interaction is "
        f"{loss.together.show(TEST_LOSS)}{ruin}{diverged(records)}."
    )


QUESTION = Question(
    name="weight-decay",
    asks="Are the effects of dropout and weight decay additive, diminishing or cancelling?",
    how=(
        "The chapter's network is trained at every rate with every weight decay on the same seeds; decay is that "
        "of the matrices, `weight_decay * w` added to the gradient. What each does alone and both together is read "
        "at the rate and the decay that are best alone; these are chosen in a first stage, on a validation part of "
        "the training examples and seeds of their own, since a cell that is judged by the runs that chose it looks "
        "better than it is. The interaction, what both do beyond the sum of what each does alone, decides; the "
        "five contrasts, and the cells of each map, are families of their own, corrected by Holm. The decay of "
        "0.5, which a published answer uses, is on the grid."
    ),
    refuted_by=(
        "That the effects add up is refuted if the interaction, corrected, differs from 0; it is not shown by an "
        "interval that holds 0, which says how large an interaction could have hidden."
    ),
    arms=arms,
    answer=answer,
    quick=Plan("digits", 2, {"hidden": (128, 128), "lr": 0.3, "batch": 64, "epochs": 30}, second=7),
    full=Plan("fashion-mnist", 3, {"epochs": 30}, second=10),
    second=second,
)
