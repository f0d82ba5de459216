"""Is there a better noise than dropout? Every method that fits the network, each at its own tuned strength."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from thinned.lab.answer import Answer, Cell, Table, shown
from thinned.lab.comparison import TEST_ACCURACY, TEST_LOSS, Metric
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import Contrast, difference, family, runs_of
from thinned.lab.exhibits import family_chart, family_table, level, levels, seconds
from thinned.lab.grids import varied
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.tuning import VALIDATION_ACCURACY, best, split, stages, tuning
from thinned.lab.wording import brief, change, count, diverged, listed, not_seen, power, seeds_of, unanswered
from thinned.methods.catalogue import catalogue

NAMED = 2
"""Methods that the short sentence gives figures of."""

PROBABILITIES = {"quick": (0.1, 0.3, 0.5), "full": (0.05, 0.1, 0.2, 0.3, 0.5, 0.7)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method of the catalogue in the fixed network.

    Args:
        method: its name there.
        strengths: those that are tried, by scope; probabilities by default.
        args: of its layer.
    """

    method: str
    strengths: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: PROBABILITIES)
    args: Mapping[str, Any] = field(default_factory=dict)


SIZES = {"quick": (0.1, 0.3, 1.0), "full": (0.03, 0.1, 0.2, 0.3, 0.5, 1.0)}
RADII = {"quick": (1.0, 2.0, 4.0), "full": (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)}
VARIANCES = {"quick": (0.1, 0.3, 0.5), "full": (0.05, 0.1, 0.2, 0.3, 0.5, 0.7)}

CANDIDATES: dict[str, Candidate] = {
    "dropout": Candidate("Dropout"),
    "alpha dropout": Candidate("AlphaDropout"),
    "feature alpha dropout": Candidate("FeatureAlphaDropout"),
    "channel dropout": Candidate("Dropout1d"),
    "Gaussian dropout": Candidate("GaussianDropout", VARIANCES),
    "uniform dropout": Candidate("UniformDropout"),
    "stochastic ReLU": Candidate("StochasticReLU"),
    "Gaussian noise": Candidate("GaussianNoise", SIZES),
    "DropBlock": Candidate("DropBlock1d", args={"block_size": 3}),
    "batch dropout": Candidate("BatchDropout", args={"groups": 8}),
    "DropConnect": Candidate("DropConnectLinear", args={"per": "example"}),
    "DropConnect, a mask a batch": Candidate("DropConnectLinear", args={"per": "batch"}),
    "mixout": Candidate("Mixout"),
    "concrete dropout": Candidate("ConcreteDropout"),
    "R-Drop": Candidate("r_drop", args={"alpha": 1.0}),
    "max-norm": Candidate("max_norm", RADII),
}
"""By the name of the arm; the catalogue's other entries are in `LEFT_OUT`."""

LEFT_OUT = {
    "Dropout2d": "needs maps of two axes",
    "Dropout3d": "needs maps of three axes",
    "DropBlock2d": "needs maps of two axes",
    "DropBlock3d": "needs maps of three axes",
    "LockedDropout": "shares draws along time, which a perceptron has not",
    "DropConnectConv1d": "drops weights of a convolution",
    "DropConnectConv2d": "drops weights of a convolution",
    "WeightDrop": "drops the recurrent weights of a recurrent network",
    "EmbeddingDropout": "drops rows of an embedding",
    "PatchDropout": "drops tokens",
    "DropPath": "drops a residual branch; the fixed network has none",
    "StochasticDepth": "drops a residual branch; the fixed network has none",
    "LayerDrop": "leaves out layers of equal width; those of the fixed network are not interchangeable",
    "Zoneout": "keeps the state of a recurrent network",
    "AttentionDropout": "drops attention weights",
    "DropHead": "drops heads of attention",
    "DropKey": "drops logits of attention",
}
"""What does not fit a perceptron without changing it, and why."""


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """The first stage: each method at each of its strengths, measured on a validation part.

    Raises:
        ConfigurationError: the user set what is varied here.
    """
    varied(scope, "rates", "method", "method_args", "validation")
    return split(
        {
            at(name, strength): _made(base, name, strength)
            for name, candidate in CANDIDATES.items()
            for strength in candidate.strengths[scope]
        }
    )


def second(design: Design, records: Sequence[Record]) -> Mapping[str, Configuration]:
    """The second stage: no method, and each method at the strength that was best in validation, on all examples."""
    found = {"none": design.base.without_dropout()}
    return found | {
        name: _made(design.base, name, strength) for name, strength in chosen(design, records).items()
    }


def at(name: str, strength: float) -> str:
    """A method at a strength.

    Example:
        >>> at("dropout", 0.5)
        'dropout at 0.5'
    """
    return f"{name} at {strength:g}"


def chosen(design: Design, records: Sequence[Record]) -> dict[str, float]:
    """Of each method the best strength in validation; a method whose every strength diverged is left out."""
    found = {
        name: best(records, {strength: at(name, strength) for strength in candidate.strengths[design.scope]})
        for name, candidate in CANDIDATES.items()
    }
    return {name: strength for name, strength in found.items() if strength is not None}


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """Each tuned method against tuned dropout on the test set, corrected by Holm for all of them."""
    tried, final = stages(records)
    found = against(final, "dropout", TEST_ACCURACY)
    if not any(each.interval for each in found):
        return (
            _only_tuned(design, tried)
            if tried and not final
            else unanswered(
                records, "two seeds of the second stage that finished with dropout and another method"
            )
        )
    loss, none = against(final, "dropout", TEST_LOSS), against(final, "none", TEST_ACCURACY)
    return Answer(
        _verdict(found),
        _sentence(design, final, found, loss, none),
        _power(found, tried, final),
        (
            family_chart(
                "Each method at its tuned strength, against dropout at its own",
                {"method minus dropout": found},
                note="On test examples that no choice has seen.",
            ),
            family_chart("Each method against none", {"method minus none": none}),
            family_chart("The same in test loss", {"method minus dropout": loss}, TEST_LOSS),
        ),
        (
            family_table("Against tuned dropout", found),
            family_table("Against tuned dropout", loss, TEST_LOSS),
            family_table("Against no method", none),
            _tuned(design, tried, final),
            levels(final, ("none", *CANDIDATES)),
            _left_out(),
        ),
        _brief(found, final),
    )


def _only_tuned(design: Design, tried: Sequence[Record]) -> Answer:
    """Before the second stage: validation accuracies choose strengths, and compare no methods."""
    planned = len(design.arms()) * design.question.plan(design.scope).seeds
    return Answer(
        "unanswered",
        f"There is no answer yet: only the strengths are being tuned, with {len(tried)} of {planned} runs of that "
        "stage there, and the second, which compares the methods on fresh seeds and on the test examples, has not "
        f"been run{diverged(tried)}.",
        f"Strengths are chosen on {count(seeds_of(tried), 'seed')}; no difference between methods is judged yet.",
        (),
        (_tuned(design, tried, ()), _left_out()),
        f"There is no answer yet: {len(tried)} of {planned} runs that tune the strengths are there, and the "
        "methods have not been compared.",
    )


def against(final: Sequence[Record], control: str, metric: Metric) -> tuple[Contrast, ...]:
    """Each arm of the second stage against one of them, judged together; beside dropout, none is one too."""
    names = [name for name in ("none", *CANDIDATES) if name != control and not (control == "none" == name)]
    runs = runs_of(final, metric)
    return family(runs, {name: difference(name, control) for name in names if name in runs})


def _made(base: Configuration, name: str, strength: float) -> Configuration:
    candidate = CANDIDATES[name]
    return replace(
        base, method=candidate.method, method_args=candidate.args, rates=(strength,) * len(base.hidden)
    )


def _others(found: Sequence[Contrast]) -> list[Contrast]:
    return [each for each in found if each.name != "none"]


def _better(found: Sequence[Contrast]) -> list[Contrast]:
    return [each for each in _others(found) if each.sign > 0]


def _verdict(found: Sequence[Contrast]) -> str:
    return "better" if _better(found) else "undecided"


def _brief(found: Sequence[Contrast], final: Sequence[Record]) -> str:
    better, others = _better(found), _others(found)
    if not better:
        opening = (
            f"None of {count(len(others), 'method')} is seen to be better than tuned dropout in test accuracy"
        )
        return brief(opening, not_seen(others), final)
    figures = [f"{each.name} by {change(each.interval)}" for each in better[:NAMED]]
    more = [f"{len(better) - NAMED} more"] if len(better) > NAMED else []
    return brief("Better than tuned dropout in test accuracy", listed([*figures, *more]), final)


def _sentence(
    design: Design,
    final: Sequence[Record],
    found: Sequence[Contrast],
    loss: Sequence[Contrast],
    none: Sequence[Contrast],
) -> str:
    others, better = _others(found), _better(found)
    worse = [each for each in others if each.sign < 0]
    low_loss = [each.name for each in loss if each.sign < 0]
    helped = [each.name for each in none if each.sign > 0]
    dropout = next((each for each in none if each.name == "dropout"), None)
    if better:
        said = listed([f"{each.name} by {change(each.interval)}" for each in better])
        opening = f"Better than tuned dropout in test accuracy: {said}"
    else:
        opening = (
            f"No method of {len(others)} is seen to be better than dropout in test accuracy "
            f"({not_seen(others)}, before the correction)"
        )
    data = final[0].data["name"]
    return (
        f"{opening}: on {data}, over {count(seeds_of(final), 'fresh paired seed')}, each at the strength that was "
        f"best in validation, corrected by Holm; worse than dropout: "
        f"{listed([each.name for each in worse]) or 'none'}; dropout itself changes accuracy by "
        f"{change(dropout.interval if dropout else None)} against no method, and better than no method "
        f"{'are' if len(helped) > 1 else 'is'} {listed(helped) or 'none'}; lower test loss than "
        f"dropout: {listed(low_loss) or 'none'}{diverged(final)}."
    )


def _power(found: Sequence[Contrast], tried: Sequence[Record], final: Sequence[Record]) -> str:
    return f"Strengths were chosen on {count(seeds_of(tried), 'seed')}. " + power(found, final)


def _tuned(design: Design, tried: Sequence[Record], final: Sequence[Record]) -> Table:
    runs = runs_of(tried, VALIDATION_ACCURACY)
    best = chosen(design, tried) if final else {}  # nothing is chosen before the stage is complete
    rows = []
    for name, candidate in CANDIDATES.items():
        for strength in candidate.strengths[design.scope]:
            found = level(runs.get(tuning(at(name, strength)), {}))
            taken = best.get(name) == strength
            rows.append(
                (
                    name,
                    strength,
                    "" if found is None else shown(found),
                    "chosen" if taken else "",
                    Cell(seconds(final, name) if taken else ""),
                )
            )
    return Table(
        "How the strengths were chosen",
        ("method", "strength", "validation accuracy, %", "", "a run then took, s"),
        tuple(rows),
        "Each at four fifths of the training examples, measured on the last fifth; seeds of their own.",
    )


def _left_out() -> Table:
    order = [entry.name for entry in catalogue()]
    rows = tuple((name, LEFT_OUT[name]) for name in order if name in LEFT_OUT)
    return Table("What does not fit this network", ("method", "why"), rows)


QUESTION = Question(
    name="better-noise",
    asks="Is there a better noise than dropout?",
    how=(
        "Every method of the catalogue that fits the chapter's network without changing it is tuned in a first "
        "stage: each of its strengths, one for both hidden layers, is trained on four fifths of the training "
        "examples, and the one with the best mean accuracy on the last fifth is taken. Dropout is tuned the same "
        "way. In a second stage, on fresh seeds and all training examples, each method at its strength is compared "
        "with dropout on the test examples, which nothing before has seen, paired by seed and corrected by Holm "
        "for all comparisons."
    ),
    refuted_by=(
        "That a method is better than dropout is refuted if its corrected difference in test accuracy lies below "
        "0, and not shown if it does not exclude 0."
    ),
    arms=arms,
    answer=answer,
    # Adam: plain SGD has not learned the digits in so few epochs, and noise would hide everything.
    quick=Plan(
        "digits",
        2,
        {"hidden": (128, 128), "optimiser": "adam", "lr": 0.005, "batch": 64, "epochs": 15},
        second=6,
    ),
    full=Plan(data="fashion-mnist", seeds=3, settings={"epochs": 20}, second=20),
    second=second,
)
