"""Is training with noise on the inputs Tikhonov regularisation? Exactly for a linear model, then for networks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from thinned.lab.answer import Answer, Cell, Chart, Series, Table
from thinned.lab.comparison import TEST_LOSS, Metric
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import Contrast, Runs, difference, family
from thinned.lab.exhibits import family_chart, family_table
from thinned.lab.measured import BySeed, cell, final, interval, number, said, series, together
from thinned.lab.question import Design, Plan, Question
from thinned.lab.records import Record
from thinned.lab.scope import Scope
from thinned.lab.statistics import Equivalence, equivalent
from thinned.lab.wording import brief, count, diverged, listed, seeds_of, unanswered, where

SIZES = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Of `thinned.lab.measures.input_noise`."""

TRAINED = {"quick": (0.05, 0.3), "full": (0.05, 0.1, 0.3)}
"""Standard deviations of the noise that is trained with, and that the penalty stands for."""

MARGIN, ROUNDING = 0.01, 1e-10
"""Of the second order at the smallest size, as a share; and of the linear model, relative."""

SMOOTH, KINKED = "tanh", "ReLU"

SENSITIVITY = Metric("log_sensitivity", "logarithm of the sensitivity to inputs", "log units", 1, 3, -1)


def arms(base: Configuration, scope: Scope) -> Mapping[str, Configuration]:
    """A smooth network without anything, with noise and with the penalty of each size; and one of ReLUs."""
    plain = replace(base.without_dropout(), measures=("input_noise",), activation="tanh")
    found = {SMOOTH: plain, KINKED: replace(plain, activation="relu")}
    for size in TRAINED[scope]:
        found[_noise(size)] = replace(plain, input_noise=size)
        found[_penalty(size)] = replace(plain, tikhonov=size)
    return found


def answer(design: Design, records: Sequence[Record]) -> Answer:
    """The linear model's identity, the network's second order, and what training with either leads to."""
    smallest = final(records, SMOOTH, "taylor_ratio[0]")
    linear = _linear(records)
    if interval(smallest) is None or not linear:
        return unanswered(records, "two seeds that finished without noise")
    test = equivalent([value - 1 for value in smallest.values()], MARGIN)
    sizes = _sizes(design)
    sensitivity, loss = _families(records, sizes)
    return Answer(
        _verdict(linear, test),
        _sentence(records, linear, test, sensitivity, loss),
        f"{count(seeds_of(records), 'seed')}; a second order that is wrong by "
        f"{number(100 * test.interval.detectable)} % "
        f"at noise {SIZES[0]:g} would be shown so four times in five by runs this noisy.",
        (_ratios(records), _sensitivities(records, sizes),
         family_chart("Test loss, penalty and noise against neither", {"test loss": loss}, TEST_LOSS)),
        (_growth(records), family_table("Noise and penalty", sensitivity, SENSITIVITY),
         family_table("Noise and penalty", loss, TEST_LOSS), _exactness(records)),
        brief(
            _OPENINGS[_verdict(linear, test)],
            f"linear models differ by {number(linear)} at most, relative, and the loss of a tanh network grows by "
            f"{said(interval(smallest), 4)} times its second order under small noise", records,
        ),
    )  # fmt: skip


_OPENINGS = {
    "confirmed": "Noise on the inputs is Tikhonov regularisation, exactly for a linear model and to second order "
    "for a smooth network",
    "refuted": "The equivalence does not hold here",
    "undecided": "The second order of the network stays open",
}
"""By the verdict."""


def _noise(size: float) -> str:
    return f"noise {size:g}"


def _penalty(size: float) -> str:
    return f"penalty {size:g}"


def _sizes(design: Design) -> list[float]:
    return sorted({each.input_noise for each in design.arms().values() if each.input_noise})


def _linear(records: Sequence[Record]) -> float:
    """The largest relative difference between noise and ridge in any run; 0 only where there is no run."""
    found = [
        record.final[name]
        for record in records
        for name in ("linear_loss", "linear_weights")
        if name in record.final
    ]
    return max(found, default=0.0)


def _families(
    records: Sequence[Record], sizes: Sequence[float]
) -> tuple[tuple[Contrast, ...], tuple[Contrast, ...]]:
    """Penalty minus noise, and each minus neither, of the sensitivity's logarithm and of the test loss."""
    members = {}
    for size in sizes:
        members[f"penalty minus noise, {size:g}"] = difference(_penalty(size), _noise(size))
        members[f"noise {size:g} minus neither"] = difference(_noise(size), SMOOTH)
        members[f"penalty {size:g} minus neither"] = difference(_penalty(size), SMOOTH)
    names = [SMOOTH, *(make(size) for size in sizes for make in (_noise, _penalty))]
    logs: Runs = {arm: together(math.log, final(records, arm, "sensitivity")) for arm in names}
    loss: Runs = {arm: final(records, arm, "test_loss") for arm in names}
    return family(logs, members), family(loss, members)


def _verdict(linear: float, test: Equivalence) -> str:
    if linear < ROUNDING and test.holds:
        return "confirmed"
    off = abs(test.interval.estimate) > MARGIN and test.interval.excludes_zero
    return "refuted" if linear >= ROUNDING or off else "undecided"


def _sentence(
    records: Sequence[Record],
    linear: float,
    test: Equivalence,
    sensitivity: Sequence[Contrast],
    loss: Sequence[Contrast],
) -> str:
    ends = len(SIZES) - 1
    smooth, kinked = (interval(final(records, arm, "taylor_ratio[0]")) for arm in (SMOOTH, KINKED))
    far = interval(final(records, SMOOTH, f"taylor_ratio[{ends}]"))
    trained = listed([_trained(a, b) for a, b in zip(sensitivity[::3], loss[::3], strict=True)])
    return (
        f"{_OPENINGS[_verdict(linear, test)]}: {where(records)}, "
        f"linear models differ by {number(linear)} at most, relative, in loss and "
        "weights; "
        f"the loss of a tanh network grows under noise of {SIZES[0]:g} by {said(smooth, 4)} times its second "
        "order, and "
        f"under {SIZES[ends]:g} by {said(far)} times, that of a ReLU network, which no second derivative sees "
        "bend, by "
        f"{said(kinked)} times; trained with the penalty instead of the noise, tanh networks have {trained}"
        f"{diverged(records)}."
    )


def _trained(sensitivity: Contrast, loss: Contrast) -> str:
    size = sensitivity.name.rpartition(" ")[2]
    times = _as_ratio(sensitivity)
    return f"at size {size} a sensitivity {times} times as large and {loss.show(TEST_LOSS)} of test loss"


def _as_ratio(each: Contrast) -> str:
    if each.interval is None:
        return "not known yet how many"
    low, mean, high = (
        math.exp(end) for end in (each.interval.low, each.interval.estimate, each.interval.high)
    )
    return f"{mean:.2f} (95 % interval {low:.2f} to {high:.2f})"


def _ratios(records: Sequence[Record]) -> Chart:
    drawn = (
        (SMOOTH, "taylor", "tanh network, its whole second order"),
        (SMOOTH, "tikhonov", "tanh network, the penalty"),
        (KINKED, "taylor", "ReLU network, its second order between kinks"),
    )
    return Chart(
        "lines",
        "Growth of the loss under noise on the inputs, over what the second order predicts",
        "standard deviation of the noise (inputs from 0 to 1)",
        "measured / predicted growth",
        tuple(
            series(label, SIZES, [final(records, arm, f"{kind}_ratio[{i}]") for i in range(len(SIZES))])
            for arm, kind, label in drawn
        ),
        "Networks trained without noise, on test examples; 1 where the second order is all there is.",
        log_x=True,
        reference=1.0,
    )


def _sensitivities(records: Sequence[Record], sizes: Sequence[float]) -> Chart:
    def points(name: str, make: Callable[[float], str]) -> Series:
        return series(name, tuple(sizes), [final(records, make(size), "sensitivity") for size in sizes])

    return Chart(
        "points",
        "Sensitivity to the inputs of networks trained with noise, and with the penalty",
        "standard deviation of the noise that is trained with, or that the penalty stands for",
        "sensitivity, sum over classes of p |gradient of log p|²",
        (points("noise", _noise), points("penalty", _penalty)),
        f"Without either: {cell(final(records, SMOOTH, 'sensitivity')).text}. Tanh networks, test examples.",
    )


def _growth(records: Sequence[Record]) -> Table:
    rows: list[tuple[str | float | Cell, ...]] = []
    for arm in (SMOOTH, KINKED):
        for i, size in enumerate(SIZES):
            columns: list[BySeed] = [
                final(records, arm, f"{name}[{i}]") for name in ("excess", "taylor_ratio", "tikhonov_ratio")
            ]
            mean = interval(columns[0])
            grown = Cell("", 0.0) if mean is None else Cell(number(mean.estimate, 3), mean.estimate)
            rows.append((arm, size, grown, cell(columns[1], 4), cell(columns[2], 4)))
    heads = ("network", "noise", "growth of the loss, nats", "over its second order", "over the penalty")
    return Table("Growth of the loss under noise", heads, tuple(rows), "Means; ratios with 95 % intervals.")


def _exactness(records: Sequence[Record]) -> Table:
    exact = [(name, final(records, SMOOTH, f"linear_{name}")) for name in ("loss", "weights")]
    rows: list[tuple[str | float | Cell, ...]] = [
        (f"noise of exact covariance and ridge: {name}", number(max(values.values(), default=0.0)))
        for name, values in exact
    ]
    rows.append(
        ("normal noise: growth of the loss over s² |W|²", cell(final(records, SMOOTH, "linear_sampled"), 4))
    )
    return Table(
        "Linear models on the same inputs",
        ("what", "largest relative difference, or ratio"),
        tuple(rows),
        "100 examples, 32 features of largest variance, float64; the ratio with its 95 % interval.",
    )


QUESTION = Question(
    name="input-noise",
    asks="Is training with noise on the inputs Tikhonov regularisation?",
    how=(
        "Bishop's equivalence, three times. For linear models on this data, noise whose covariance is s² I "
        "exactly is "
        "compared with ridge regression: losses, and the weights that make them least. For trained networks, a "
        "smooth one "
        "of tanh and one of ReLUs, the growth of the test loss under normal noise of five sizes is divided by "
        "its "
        "second order, from a product of the Hessian with the same noises, which come in opposite pairs. And "
        "tanh "
        "networks are trained with noise and, on the same seeds, with the penalty that stands for it, s²/2 "
        "times the sum "
        f"over classes of p |gradient of log p|². The first, to rounding ({ROUNDING:g}), and the second at the "
        "smallest "
        f"size, by two one-sided tests at {100 * MARGIN:g} %, decide; the third is reported, corrected by Holm."
    ),
    refuted_by=(
        "The equivalence is refuted by a linear model that differs beyond rounding, or by a second order that "
        "is off by "
        f"more than {100 * MARGIN:g} % at noise {SIZES[0]:g} in the smooth network, with an interval that "
        "excludes 1."
    ),
    arms=arms,
    answer=answer,
    quick=Plan(
        data="digits",
        seeds=5,
        settings={"hidden": (64, 64), "batch": 64, "epochs": 25, "optimiser": "adam", "lr": 0.003},
    ),
    full=Plan(
        data="fashion-mnist",
        seeds=10,
        settings={"epochs": 20, "optimiser": "adam", "lr": 0.001, "train_examples": 10_000},
    ),
)
