"""Does dropout help here? The chapter's network with and without it, on the user's data."""

from collections.abc import Mapping

from thinned.errors import ConfigurationError
from thinned.lab.comparison import GAP, METRICS, TEST_ACCURACY, TEST_LOSS, Comparison
from thinned.lab.configuration import Configuration
from thinned.lab.question import Question
from thinned.lab.statistics import Interval

_OPENINGS = {
    "helped": "Dropout helped here",
    "hurt": "Dropout hurt here",
    "undecided": "Whether dropout helps here stays open",
    "unanswered": "There is no answer yet",
}


def arms(base: Configuration) -> Mapping[str, Configuration]:
    """The same network and training, without and with dropout.

    Raises:
        ConfigurationError: every rate is 0, so that the arms are the same.
    """
    if not any(base.rates):
        raise ConfigurationError(
            f"expected a rate above 0, to compare with none; got {', '.join(map(str, base.rates))}. "
            "Give, for example, 0.2,0.5."
        )
    return {"none": base.without_dropout(), "dropout": base}


def sentence(comparison: Comparison, data: str) -> str:
    """The answer in one sentence, with figures: dropout minus none, paired by seed.

    Args:
        comparison: of the arms `none` and `dropout`.
        data: name of the data.
    """
    accuracy, loss, gap = (comparison.differences[metric.name] for metric in METRICS)
    pairs = len(comparison.pairs)
    if accuracy is None or loss is None or gap is None:
        return (
            f"{_OPENINGS['unanswered']}: on {data}, {pairs} seed{'s' * (pairs != 1)} finished both with and "
            f"without dropout, and an interval needs at least 2{_diverged(comparison)}."
        )
    open_end = _open_end(accuracy) if comparison.verdict == "undecided" else ""
    return (
        f"{_OPENINGS[comparison.verdict]}{_though(comparison.verdict, loss)}: on {data}, "
        f"over {pairs} paired seeds, it changed test accuracy by "
        f"{_change(TEST_ACCURACY.show_interval(accuracy, signed=True), ' percentage points')}, from "
        f"{_level(comparison, 'control')} to {_level(comparison, 'treated')}, test loss by "
        f"{_change(TEST_LOSS.show_interval(loss, signed=True), '')}, and the generalisation gap by "
        f"{_change(GAP.show_interval(gap, signed=True), ' percentage points')}{open_end}"
        f"{_diverged(comparison)}."
    )


def _open_end(accuracy: Interval) -> str:
    """How large a change would have been seen."""
    if not accuracy.detectable:
        return (
            "; no run differs from its twin, so the networks may have learned nothing yet: give more epochs"
        )
    return (
        f"; had the change in accuracy been {TEST_ACCURACY.show(accuracy.detectable)} points, runs this noisy "
        "would show it four times in five"
    )


def _though(verdict: str, loss: Interval) -> str:
    """Where accuracy leaves it open, what the test loss says, if it says something."""
    if verdict != "undecided" or not loss.excludes_zero:
        return ""
    return f", though the test loss {'fell' if loss.high < 0 else 'rose'}"


def _change(shown: str, unit: str) -> str:
    estimate, _, ends = shown.partition(" (")
    return f"{estimate}{unit} (95 % interval {ends}"


def _level(comparison: Comparison, arm: str) -> str:
    """The mean test accuracy over the pairs alone, so that the two levels differ by the stated change."""
    values = [TEST_ACCURACY.of(getattr(pair, arm)) for pair in comparison.pairs]
    return f"{TEST_ACCURACY.show(sum(values) / len(values))} %"


def _diverged(comparison: Comparison) -> str:
    arms = (comparison.control, comparison.treated)
    if not any(arm.diverged for arm in arms):
        return ""
    counts = " and ".join(
        f"{arm.diverged} of {arm.diverged + arm.finished} runs of arm {arm.name}" for arm in arms
    )
    return f"; {counts} diverged and are in no difference"


QUESTION = Question(
    name="dropout",
    asks="Does dropout help here?",
    how=(
        "The same multilayer perceptron is trained twice for each seed, without and with dropout after each "
        "hidden layer. The two runs of a seed begin with the same weights and see the same minibatches in "
        "the same order, so their difference is due to dropout. Nothing is selected on the test set: the "
        "figures are those after the last epoch. Test accuracy decides; test loss and generalisation gap "
        "explain."
    ),
    refuted_by=(
        "That dropout helps is refuted if the 95 % interval of the paired difference in test accuracy lies "
        "below 0, and not shown if it holds 0."
    ),
    control="none",
    treated="dropout",
    arms=arms,
    sentence=sentence,
)
