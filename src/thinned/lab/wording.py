"""What answers say in the same words: on which data, over how many seeds, what was seen, what could have been."""

import math
from collections.abc import Callable, Iterable, Sequence

from thinned.lab.answer import Answer, rounded
from thinned.lab.comparison import TEST_ACCURACY, Metric
from thinned.lab.contrasts import Contrast
from thinned.lab.records import Record
from thinned.lab.statistics import Interval

UNITS = {"percentage points": "points"}


def where(records: Sequence[Record]) -> str:
    """On which data, and over how many seeds that have runs of several arms."""
    arms: dict[int, set[str]] = {}
    for record in records:
        arms.setdefault(record.seed, set()).add(record.arm)
    paired = sum(len(each) > 1 for each in arms.values()) or len(arms)
    return f"on {records[0].data['name']}, over {count(paired, 'paired seed')}"


def brief(opening: str, figure: str, records: Sequence[Record]) -> str:
    """An answer's short sentence, the same in every study; how many runs were lost belongs to every figure.

    Args:
        opening: what was found, in words.
        figure: the main figure with its interval, or what could have been seen.
        records: that it is made from.
    """
    runs = {record.key: record for record in records}.values()
    lost = [
        f"{some} {what}"
        for some, what in (
            (sum(not run.final for run in runs), "diverged"),
            (sum(map(guesses, runs)), "ended at the accuracy of guessing"),
        )
        if some
    ]
    end = f"; of {count(len(runs), 'run')}, {listed(lost)}" if lost else ""
    return f"{opening}: {figure}, {where(records)}{end}."


def count(number: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> count(1, "seed"), count(3, "seed")
        ('1 seed', '3 seeds')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


def listed(names: Sequence[str]) -> str:
    """Names with commas and an "and".

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def change(interval: Interval | None, metric: Metric = TEST_ACCURACY) -> str:
    """A difference with its unit and its interval.

    Example:
        >>> change(Interval(0.5, 0.1, 0.9, 5, 1.0))
        '+0.50 points (95 % interval +0.10 to +0.90)'
    """
    if interval is None:
        return "by an amount not known yet"
    estimate, low, high = (
        metric.show(value, signed=True) for value in (interval.estimate, interval.low, interval.high)
    )
    return f"{estimate} {UNITS.get(metric.unit, metric.unit)} (95 % interval {low} to {high})"


NOTHING_VARIES = (
    "no run differs from its twin, as where the networks have learned nothing yet (give more epochs) or make no "
    "mistake any more (the data is too easy to tell)"
)


def shifts(contrasts: Iterable[Contrast], metric: Metric = TEST_ACCURACY) -> str:
    """The smallest changes that contrasts show four times in five, from the least noisy to the noisiest.

    Empty where no run differs from its twin. That shows no noise, but not that there is none: accuracies are
    counts.
    """
    found = sorted(each.interval.detectable for each in contrasts if each.interval is not None)
    noisy = [metric.show(shift) for shift in found if shift > 0]
    return " to ".join(dict.fromkeys([noisy[0], noisy[-1]])) if noisy else ""


def not_seen(contrasts: Sequence[Contrast], metric: Metric = TEST_ACCURACY) -> str:
    """What a family without a claim leaves: how large a change would have been seen four times in five."""
    size = shifts(contrasts, metric)
    if not size:
        return NOTHING_VARIES
    unit = UNITS.get(metric.unit, metric.unit)
    return f"runs this noisy would show a change of {size} {unit} four times in five"


def seen(contrasts: Sequence[Contrast]) -> str:
    """Which of the contrasts are claims, with their signs; "none" where none is.

    Example:
        >>> from thinned.lab.contrasts import judged
        >>> seen(judged({"a": [1.0, 1.1, 0.9], "b": [1.0, -1.0, 0.5]}))
        'a (up)'
    """
    said = [f"{each.name} ({'up' if each.sign > 0 else 'down'})" for each in contrasts if each.sign]
    return listed(said) if said else "none"


def seeds_of(records: Iterable[Record]) -> int:
    """How many different seeds the records have."""
    return len({record.seed for record in records})


MOST_ARMS = 4
"""That a sentence names; the others are counted."""

CHANCE_ERRORS = 4.0
"""Standard errors above the accuracy of guessing within which a network has learned nothing."""


def diverged(records: Iterable[Record]) -> str:
    """How many runs of which arms diverged or learned nothing, as the end of a sentence; empty where none did."""
    known = list(records)
    lost = _of_arms(known, lambda record: not record.final)
    guessing = _of_arms(known, guesses)
    return (f"; {lost} diverged and are in no difference" if lost else "") + (
        f"; {guessing} ended at the accuracy of guessing and are counted as they are" if guessing else ""
    )


def guesses(record: Record) -> bool:
    """Whether a finished run's test accuracy is no better than guessing one of the classes.

    Of random labels nothing better can be learned, and no run counts.
    """
    if record.configuration.get("random_labels"):
        return False
    accuracy = record.final.get("test_accuracy")
    classes, examples = record.data.get("classes", 0), record.data.get("test_examples", 0)
    if accuracy is None or classes < 2 or examples < 1:
        return False
    chance = 1 / classes
    limit = chance + CHANCE_ERRORS * math.sqrt(chance * (1 - chance) / examples)
    return bool(accuracy <= limit)


def _of_arms(records: Sequence[Record], bad: Callable[[Record], bool]) -> str:
    """Of each arm with such runs, how many; arms of which not all runs are such come first."""
    counts: dict[str, list[int]] = {}
    for record in records:
        of = counts.setdefault(record.arm, [0, 0])
        of[0] += bad(record)
        of[1] += 1
    found = [(arm, some, total) for arm, (some, total) in counts.items() if some]
    found.sort(key=lambda each: each[1] == each[2])
    kept, rest = found[:MOST_ARMS], found[MOST_ARMS:]
    said = [f"{some} of {total} runs of {arm}" for arm, some, total in kept]
    if rest:
        said.append(f"{sum(some for _, some, _ in rest)} runs of {count(len(rest), 'further arm')}")
    return listed(said) if said else ""


def power(contrasts: Sequence[Contrast], records: Sequence[Record], metric: Metric = TEST_ACCURACY) -> str:
    """How many seeds were run, and the smallest difference that they could have shown."""
    found = [each.interval for each in contrasts if each.interval is not None]
    seeds = count(seeds_of(records), "seed")
    if not found:
        return f"{seeds} so far; an interval needs two that finished in every arm it compares."
    what = "the one difference" if len(found) == 1 else f"each of {len(found)} differences, taken by itself,"
    size = shifts(contrasts, metric)
    if not size:
        return f"{seeds}; {NOTHING_VARIES}."
    more = " Holm's correction for all of them asks for a little more." if len(found) > 1 else ""
    return (
        f"{seeds}; in {what} a true change of {size} {metric.unit} of {metric.label} would be shown four times "
        f"in five by runs this noisy.{more}"
    )


def unanswered(records: Sequence[Record], needed: str) -> Answer:
    """The answer before there are two seeds.

    Args:
        records: those that there are.
        needed: what an answer needs, as "two seeds that finished ...".
    """
    return Answer(
        "unanswered",
        f"There is no answer yet: it needs {needed}{diverged(records)}.",
        power((), records),
        brief=f"There is no answer yet: it needs {needed}.",
    )


def p_value(value: float) -> str:
    """A p-value as it is printed.

    Example:
        >>> p_value(0.00001), p_value(0.0312)
        ('< 0.001', '0.031')
    """
    return "< 0.001" if value < 0.001 else rounded(value, 3)
