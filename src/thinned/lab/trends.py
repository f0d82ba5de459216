"""A treatment's effect along an axis, such as width or number of examples: at each place, and its slope."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from thinned.lab.answer import Answer, Chart, Series
from thinned.lab.comparison import TEST_ACCURACY, TEST_LOSS, Metric
from thinned.lab.contrasts import Contrast, contrast, difference, family, runs_of, slope
from thinned.lab.exhibits import family_table, label, level, levels, line
from thinned.lab.records import Record
from thinned.lab.wording import brief, change, count, diverged, not_seen, power, seeds_of, unanswered, where


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a treatment is compared with its control.

    Args:
        name: of the axis, as "width".
        unit: of its places, as "hidden units".
        cells: at each place, the arms (treated, control).
    """

    name: str
    unit: str
    cells: Mapping[int, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Trend:
    """The effect at each place, and how it changes along the axis.

    Args:
        effects: treated minus control at each place, judged together.
        slope: of the effect over log10 of the place, one value a seed.
    """

    effects: tuple[Contrast, ...]
    slope: Contrast


def trend(records: Sequence[Record], axis: Axis, metric: Metric) -> Trend:
    """The effects and their slope, in the metric's unit."""
    runs = runs_of(records, metric)
    weights = {place: difference(*arms) for place, arms in axis.cells.items()}
    over = slope({math.log10(place): each for place, each in weights.items()})
    named = {f"{place:,} {axis.unit}": each for place, each in weights.items()}
    return Trend(family(runs, named), contrast(runs, f"for ten times the {axis.name}", over))


def answered(records: Sequence[Record], axis: Axis, treatment: str) -> Answer:
    """The answer to whether a treatment's effect grows along an axis.

    The slope of test accuracy's effect decides, one number a seed; the effects at each place are a second family.

    Args:
        records: of the study.
        axis: where it was measured.
        treatment: what it is, as "dropout".
    """
    accuracy, loss = (trend(records, axis, metric) for metric in (TEST_ACCURACY, TEST_LOSS))
    if accuracy.slope.interval is None:
        return unanswered(
            records, f"two seeds that finished at every {axis.name}, with and without {treatment}"
        )
    first, last = accuracy.effects[0], accuracy.effects[-1]
    verdict = {1: "grows", -1: "falls", 0: "undecided"}[accuracy.slope.sign]
    opening = {
        "grows": f"{treatment.capitalize()} does more for test accuracy the larger the {axis.name}",
        "falls": f"{treatment.capitalize()} does less for test accuracy the larger the {axis.name}",
        "undecided": f"Whether what {treatment} does for test accuracy depends on the {axis.name} stays open",
    }[verdict]
    end = f"; {not_seen([accuracy.slope])} for ten times the {axis.name}" if verdict == "undecided" else ""
    sentence = (
        f"{opening}: {where(records)}, its effect changes by {change(accuracy.slope.interval)} for ten times the "
        f"{axis.name}{_over(records, accuracy.slope)}, from {change(first.interval)} at {first.name} to "
        f"{change(last.interval)} at {last.name}"
        f"{end}; its effect on test loss changes by {change(loss.slope.interval, TEST_LOSS)} for ten times the "
        f"{axis.name}{diverged(records)}."
    )
    arms = [arm for place in axis.cells.values() for arm in reversed(place)]
    return Answer(
        verdict,
        sentence,
        power([accuracy.slope, *accuracy.effects], records),
        (
            _chart(axis, treatment, accuracy, TEST_ACCURACY),
            _chart(axis, treatment, loss, TEST_LOSS),
            _levels(records, axis, treatment),
        ),
        (
            family_table(f"What {treatment} does at each {axis.name}", accuracy.effects),
            family_table(f"What {treatment} does at each {axis.name}", loss.effects, TEST_LOSS),
            family_table("How the effect changes along the axis", [accuracy.slope]),
            levels(records, arms),
        ),
        brief(
            opening,
            f"its effect changes by {change(accuracy.slope.interval)} for ten times the {axis.name}",
            records,
        ),
    )


def _over(records: Sequence[Record], slope: Contrast) -> str:
    """Over how many seeds a slope is, where not over all."""
    few = len(slope.values)
    return "" if few == seeds_of(records) else f", over the {count(few, 'seed')} that finished everywhere"


def _chart(axis: Axis, treatment: str, found: Trend, metric: Metric) -> Chart:
    series = line(f"with minus without {treatment}", tuple(map(float, axis.cells)), found.effects)
    return Chart(
        "lines",
        f"What {treatment} changes at each {axis.name}: {metric.label}",
        axis.unit,
        label(metric, change=True),
        (series,),
        "The band is the 95 % interval at each place by itself.",
        log_x=True,
        reference=0.0,
    )


def _levels(records: Sequence[Record], axis: Axis, treatment: str) -> Chart:
    runs = runs_of(records)
    series = []
    for index, name in ((1, f"without {treatment}"), (0, f"with {treatment}")):
        at = [(place, level(runs.get(arms[index], {})), arms[index]) for place, arms in axis.cells.items()]
        found = [
            (float(place), interval, tuple(runs[arm].values())) for place, interval, arm in at if interval
        ]
        series.append(
            Series(name, *(tuple(column) for column in zip(*found, strict=True))) if found else None
        )
    return Chart(
        "lines",
        f"Test accuracy at each {axis.name}",
        axis.unit,
        "test accuracy, %",
        tuple(each for each in series if each is not None),
        log_x=True,
    )
