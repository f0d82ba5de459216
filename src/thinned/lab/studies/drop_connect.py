"""Weights instead of activations: DropConnect, with a mask for each batch and for each example, beside dropout."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from thinned.lab.answer import Answer, Table
from thinned.lab.comparison import TEST_ACCURACY, TEST_LOSS, Metric
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import Contrast, difference, family, mean_of, runs_of
from thinned.lab.exhibits import family_chart, family_table, levels, seconds
from thinned.lab.grids import varied
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.wording import (
    brief,
    change,
    diverged,
    listed,
    not_seen,
    power,
    seeds_of,
    seen,
    unanswered,
    where,
)

RATES = {"quick": (0.2, 0.5), "full": (0.1, 0.2, 0.3, 0.5, 0.7)}
"""Of both hidden layers, or of the weights that read them."""

BATCH = "DropConnect, a mask a batch"
EXAMPLE = "DropConnect, a mask an example"
METHODS = {
    "dropout": ("Dropout", {}),
    BATCH: ("DropConnectLinear", {"per": "batch"}),
    EXAMPLE: ("DropConnectLinear", {"per": "example"}),
}


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """No dropout, then each method at each rate.

    Raises:
        ConfigurationError: the user set what is varied here.
    """
    varied(scope, "rates", "method", "method_args")
    found = {"none": base.without_dropout()}
    for method, (name, args) in METHODS.items():
        for rate in RATES[scope]:
            found[arm(method, rate)] = replace(
                base, method=name, method_args=args, rates=(rate,) * len(base.hidden)
            )
    return found


def arm(method: str, rate: float) -> str:
    """The name of the arm with this method at this rate.

    Example:
        >>> arm("dropout", 0.5)
        'dropout at 0.5'
    """
    return f"{method} at {rate:g}"


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """What dropping weights instead of activations changes on average over the rates, then at each rate."""
    mean, loss = _on_average(design, records, TEST_ACCURACY), _on_average(design, records, TEST_LOSS)
    if all(each.interval is None for each in mean[:2]):
        return unanswered(records, "two seeds that finished with dropout and with either kind of mask")
    none = _against_none(design, records)
    return Answer(
        _verdict(mean),
        _sentence(design, records, mean, loss, none),
        power(mean, records),
        (
            family_chart(
                "Weights instead of activations, at the same rate",
                _drawn(design, records, (BATCH, EXAMPLE), "dropout"),
                note="Minus dropout at the same rate, paired by seed.",
            ),
            family_chart(
                "Each method against none",
                _drawn(design, records, tuple(METHODS), "none"),
            ),
            family_chart("On average over the rates", {"test accuracy": mean}),
        ),
        (
            family_table("On average over the rates", mean),
            family_table("On average over the rates", loss, TEST_LOSS),
            family_table("Against no dropout", none),
            levels(records, design.arms()),
            _times(design, records),
        ),
        _brief(records, mean),
    )


def _brief(records: Sequence[Record], mean: Sequence[Contrast]) -> str:
    found = {
        kind: change(one.interval)
        for kind, one in zip(("example", "batch"), mean, strict=False)
        if one.interval
    }
    if len(found) > 1:  # else the opening says whom a mask is for
        found = {kind: f"{figure} with a mask for each {kind}" for kind, figure in found.items()}
    return brief(
        _opening(mean),
        f"{listed(list(found.values()))} in test accuracy, on average over equal rates",
        records,
    )


def _rates(design: Design) -> tuple[float, ...]:
    return RATES[design.scope]


def _on_average(design: Design, records: Sequence[Record], metric: Metric) -> tuple[Contrast, ...]:
    """The methods against each other at equal rates, as means over the rates they share: one number a seed."""

    def between(first: str, last: str) -> dict[str, float]:
        shared = _shared(design, records, first, last)
        return mean_of([difference(arm(first, rate), arm(last, rate)) for rate in shared]) if shared else {}

    members = {
        f"{EXAMPLE}, minus dropout": between(EXAMPLE, "dropout"),
        f"{BATCH}, minus dropout": between(BATCH, "dropout"),
        "a mask an example, minus a mask a batch": between(EXAMPLE, BATCH),
    }
    return family(runs_of(records, metric), members)


def _shared(design: Design, records: Sequence[Record], first: str, last: str) -> tuple[float, ...]:
    """The rates at which more than half of the seeds finished with both methods."""
    finished = {name: set(by_seed) for name, by_seed in runs_of(records).items()}

    def both(rate: float) -> int:
        return len(finished.get(arm(first, rate), set()) & finished.get(arm(last, rate), set()))

    return tuple(rate for rate in _rates(design) if 2 * both(rate) > seeds_of(records))


def _over(design: Design, records: Sequence[Record], method: str, found: Contrast, loss: Contrast) -> str:
    """What a method changes against dropout, and over which rates."""
    if found.interval is None:
        return "is not answered, as too few of its runs have finished"
    shared = _shared(design, records, method, "dropout")
    rates = [
        f"{each.show()} at {rate:g}"
        for rate, each in zip(_rates(design), _at_each_rate(design, records, method, "dropout"), strict=True)
        if rate in shared
    ]
    left_out = ", too few finished at the others" if shared != _rates(design) else ""
    return f"is {change(found.interval)}, {listed(rates)}{left_out}; in test loss {loss.show(TEST_LOSS)} nats"


def _drawn(
    design: Design, records: Sequence[Record], methods: Sequence[str], control: str
) -> dict[str, tuple[Contrast, ...]]:
    """The methods that have something to draw."""
    found = {method: _at_each_rate(design, records, method, control) for method in methods}
    return {method: each for method, each in found.items() if any(one.interval for one in each)}


def _at_each_rate(
    design: Design, records: Sequence[Record], method: str, control: str
) -> tuple[Contrast, ...]:
    """A method at each rate against none, or against another at the same rate."""
    members = {
        f"at {rate:g}": difference(arm(method, rate), "none" if control == "none" else arm(control, rate))
        for rate in _rates(design)
    }
    return family(runs_of(records), members)


def _against_none(design: Design, records: Sequence[Record]) -> tuple[Contrast, ...]:
    names = [name for name in design.arms() if name != "none"]
    return family(runs_of(records), {name: difference(name, "none") for name in names})


def _times(design: Design, records: Sequence[Record]) -> Table:
    rows = tuple((name, seconds(records, name)) for name in design.arms())
    return Table(
        "What a run took",
        ("arm", "median, s"),
        rows,
        "Wall clock, on machines that may have been busy with other things.",
    )


def _verdict(mean: Sequence[Contrast]) -> str:
    """By the two comparisons with dropout."""
    signs = {mean[0].sign, mean[1].sign} - {0}
    if not signs:
        return "undecided"
    return "mixed" if len(signs) == 2 else "better" if 1 in signs else "worse"


def _sentence(
    design: Design,
    records: Sequence[Record],
    mean: Sequence[Contrast],
    loss: Sequence[Contrast],
    none: Sequence[Contrast],
) -> str:
    end = f"; {not_seen(mean[:2])}" if _verdict(mean) == "undecided" else ""
    return (
        f"{_opening(mean)}: {where(records)}, "
        "on average over equal rates, DropConnect minus dropout with a mask for "
        f"each example {_over(design, records, EXAMPLE, mean[0], loss[0])}; with one for each batch it "
        f"{_over(design, records, BATCH, mean[1], loss[1])}{end}; of "
        f"{sum(each.interval is not None for each in none)} comparisons with no dropout, corrected together, "
        f"claims are: {seen(none)}{diverged(records)}."
    )


def _opening(mean: Sequence[Contrast]) -> str:
    opening = {
        "undecided": "No difference between dropping weights and dropping activations can be seen in test accuracy",
        "better": "Dropping weights is better than dropping activations",
        "worse": "Dropping weights is worse than dropping activations",
        "mixed": "Dropping weights is better or worse than dropping activations by whom a mask is for",
    }[_verdict(mean)]
    for kind, one in (("a batch", mean[0]), ("an example", mean[1])):
        opening += f", with a mask for {kind}" if one.interval is None else ""
    return opening


QUESTION = Question(
    name="drop-connect",
    asks="What if weights are dropped instead of activations?",
    how=(
        "In the chapter's network, dropout on the activations of each hidden layer is replaced by DropConnect on "
        "the weights that read them, at the same rate, with one mask for a batch or, as in the paper, one for each "
        "example. All arms share their seeds. The methods are compared at equal rates, on average over the rates "
        "at which more than half of the seeds finished with both; that family of three comparisons is corrected by "
        "Holm, and the two with dropout decide."
    ),
    refuted_by=(
        "That dropping weights is better than dropping activations is refuted if the corrected difference lies "
        "below 0 for either kind of mask, and not shown if neither excludes 0."
    ),
    arms=arms,
    answer=answer,
    quick=Plan("digits", 8, {"hidden": (64, 64), "lr": 0.3, "batch": 64, "epochs": 40}),
    full=Plan(data="fashion-mnist", seeds=10, settings={"epochs": 20}),
)
