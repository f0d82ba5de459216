"""Where does dropout belong? After the activation or before, on the input, early or late; and in a Transformer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from thinned.errors import ConfigurationError
from thinned.lab.answer import Answer, Chart, Table
from thinned.lab.comparison import TEST_ACCURACY, TEST_LOSS, Metric
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import Contrast, Weights, difference, family, runs_of
from thinned.lab.exhibits import family_chart, family_table, label, levels, line
from thinned.lab.grids import varied
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.wording import brief, change, diverged, listed, not_seen, power, seen, unanswered, where

NAMED = 2
"""Claims that the short sentence gives figures of."""

RATE = 0.5
"""Of hidden layers; one rate for all of them, so that only the place differs."""

INPUT_RATE = 0.2
"""Of inputs, as the paper that introduced dropout has it."""

PLACES: dict[str, Weights] = {
    "before the activation, instead of after it (ReLU)": difference("relu, before", "relu, after"),
    "before the activation, instead of after it (tanh)": difference("tanh, before", "tanh, after"),
    "on the first hidden layer alone, instead of the last": difference("early", "late"),
    "on the input too, instead of hidden layers alone": difference("relu, after and input", "relu, after"),
}
"""The comparisons of places, each with its weights."""

AGAINST_NONE = ("relu, after", "input", "early", "late", "relu, after and input")

TRANSFORMER_RATES = (0.0, 0.05, 0.1, 0.2, 0.3)
USUAL = 0.1
"""The rate that Transformers come with."""

TRANSFORMERS = {
    "quick": {"hidden": (32,), "epochs": 25, "lr": 0.1, "batch": 64},
    "full": {"hidden": (64, 64), "epochs": 20, "lr": 0.1, "batch": 128},
}
"""What their runs have instead of the perceptron's settings."""


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """The perceptron with dropout at each place, and the Transformer at each rate, if the examples have rows.

    Raises:
        ConfigurationError: the user set what is varied here.
    """
    varied(scope, "rates", "placement", "activation", "input_rate")
    if len(base.hidden) < 2:
        raise ConfigurationError(
            f"expected at least two hidden layers, an early one and a late one; got {len(base.hidden)}. Give two "
            "widths, such as 256,256."
        )
    depth = len(base.hidden)
    plain = replace(base.without_dropout(), activation="relu")
    after = replace(base, rates=(RATE,) * depth, activation="relu", placement="after")
    found = {
        "none": plain,
        "relu, after": after,
        "relu, before": replace(after, placement="before"),
        "tanh, none": replace(plain, activation="tanh"),
        "tanh, after": replace(after, activation="tanh"),
        "tanh, before": replace(after, activation="tanh", placement="before"),
        "input": replace(plain, input_rate=INPUT_RATE),
        "early": replace(after, rates=(RATE, *(0.0,) * (depth - 1))),
        "late": replace(after, rates=(*(0.0,) * (depth - 1), RATE)),
        "relu, after and input": replace(after, input_rate=INPUT_RATE),
    }
    settings = TRANSFORMERS[scope] | {
        name: base_value(base, name) for name in scope.asked if name == "epochs"
    }
    for rate in TRANSFORMER_RATES:
        found[transformer(rate)] = Configuration(model="transformer").changed(settings | {"rates": (rate,)})
    return found


def base_value(base: Configuration, name: str) -> object:
    """What the user asked for, which the base has."""
    return getattr(base, name)


def transformer(rate: float) -> str:
    """The name of the arm of the Transformer with all its dropouts at this rate.

    Example:
        >>> transformer(0.05)
        'transformer, 5 %'
    """
    return f"transformer, {100 * rate:g} %"


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """The four comparisons of places, and the usual rate of the Transformer against the others."""
    places, rates = _places(records), _rates(records)
    if any(each.interval is None for each in places):
        return unanswered(records, "two seeds that finished at every place")
    has_rates = any(each.interval is not None for each in rates)
    none = family(runs_of(records), {name: difference(name, "none") for name in AGAINST_NONE})
    return Answer(
        "differs" if any(each.sign for each in (*places, *rates)) else "undecided",
        _sentence(records, places, rates, none),
        power([*places, *rates], records),
        (
            family_chart("What another place changes", {"perceptron": places}),
            *((_transformer_chart(records),) if has_rates else ()),
            family_chart("Each place against no dropout", {"perceptron": none}),
        ),
        (
            family_table("What another place changes", places),
            family_table("What another place changes", _places(records, TEST_LOSS), TEST_LOSS),
            family_table("Each place against no dropout", none),
            *(_transformer_tables(records, rates) if has_rates else ()),
            levels(records, design.arms()),
        ),
        _brief(records, [*places, *rates]),
    )


def _brief(records: Sequence[Record], found: Sequence[Contrast]) -> str:
    claims = [f"{change(each.interval)} {each.name}" for each in found if each.sign]
    if not claims:
        return brief("No other place or rate is seen to change test accuracy", not_seen(found), records)
    more = [f"{len(claims) - NAMED} more"] if len(claims) > NAMED else []
    return brief(
        "Where dropout stands changes test accuracy" if any(each.sign for each in found[: len(PLACES)])
        else "The Transformer's rate changes test accuracy",
        listed([*claims[:NAMED], *more]), records,
    )  # fmt: skip


def _places(records: Sequence[Record], metric: Metric = TEST_ACCURACY) -> tuple[Contrast, ...]:
    return family(runs_of(records, metric), PLACES)


def _rates(records: Sequence[Record], metric: Metric = TEST_ACCURACY) -> tuple[Contrast, ...]:
    members = {
        f"{100 * rate:g} % instead of {100 * USUAL:g} %": difference(transformer(rate), transformer(USUAL))
        for rate in TRANSFORMER_RATES
        if rate != USUAL
    }
    return family(runs_of(records, metric), members)


def _transformer_tables(records: Sequence[Record], rates: Sequence[Contrast]) -> tuple[Table, ...]:
    title = "All dropouts of the Transformer, against 10 %"
    return family_table(title, rates), family_table(title, _rates(records, TEST_LOSS), TEST_LOSS)


def _of_transformer(rates: Sequence[Contrast]) -> str:
    """What is claimed of its rates, or that it is missing."""
    if all(each.interval is None for each in rates):
        return "the Transformer's runs are missing, so its rates are not answered"
    end = f" ({not_seen(rates)})" if not any(each.sign for each in rates) else ""
    return f"in a small Transformer the claims against the usual 10 % are: {seen(rates)}{end}"


def _transformer_chart(records: Sequence[Record]) -> Chart:
    rates = [rate for rate in TRANSFORMER_RATES if rate]
    effects = family(
        runs_of(records), {f"{rate:g}": difference(transformer(rate), transformer(0.0)) for rate in rates}
    )
    return Chart(
        "lines",
        "All dropouts of the Transformer at one rate, against none",
        "rate, %",
        label(TEST_ACCURACY, change=True),
        (line("with minus without dropout", [100 * rate for rate in rates], effects),),
        "The band is the 95 % interval at each rate by itself, paired by seed.",
        reference=0.0,
    )


def _sentence(
    records: Sequence[Record],
    places: Sequence[Contrast],
    rates: Sequence[Contrast],
    none: Sequence[Contrast],
) -> str:
    relu, tanh, early, inputs = places
    same = (
        "exactly nothing, as k max(0, x) = max(0, k x) for a factor k that is not negative"
        if not any(relu.values)
        else change(relu.interval)
    )
    better = [each.name for each in none if each.sign > 0]
    worse = [each.name for each in none if each.sign < 0]
    helps = f"better than no dropout: {listed(better) or 'none'}; worse: {listed(worse) or 'none'}"
    return (
        f"{where(records).capitalize()}, dropout before a ReLU instead of after it changes test accuracy by "
        f"{same}; before a tanh by {change(tanh.interval)}; on the first hidden layer alone instead of the last by "
        f"{change(early.interval)}; on the input too by {change(inputs.interval)}; of these four, claims after "
        f"Holm's correction: {seen(places)}; {helps}; {_of_transformer(rates)}{diverged(records)}."
    )


QUESTION = Question(
    name="placement",
    asks="Where does dropout belong: after the activation or before it, on the input, in early or late layers; and "
    "are 10 % right for a Transformer?",
    how=(
        "The chapter's network is trained with dropout of 0.5 after each activation, before each, on the first or "
        "the last hidden layer alone, and with 0.2 of the inputs dropped too, with ReLU and, where it matters, "
        "with tanh; and a small Transformer that reads images row by row, with all its dropouts (of the embedded "
        "rows, attention weights, hidden units and both residual branches) at 0, 5, 10, 20 or 30 %. All on the "
        "same seeds. Two families decide, each corrected by Holm: four comparisons of places, and four of the "
        "Transformer's rates with 10 %."
    ),
    refuted_by=(
        "That the place matters is refuted for ReLU if before and after agree in every run, and not shown for the "
        "rest if no corrected interval excludes 0; that 10 % is a good rate is refuted if another is better."
    ),
    arms=arms,
    answer=answer,
    quick=Plan("digits", 5, {"hidden": (128, 128), "lr": 0.3, "batch": 64, "epochs": 40}),
    full=Plan("fashion-mnist", 10, {"epochs": 20}),
)
