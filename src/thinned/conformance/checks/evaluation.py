"""Evaluation, the next call, the same seed, other calls and other generators."""

import numpy as np

from thinned.conformance.bench import Bench
from thinned.conformance.checks.check import limit, wrong
from thinned.conformance.outcome import FailedError
from thinned.methods.bounds import stray_of_share


@wrong
def identity_in_evaluation(bench: Bench) -> str:
    """In evaluation the output is the input, to the bit."""
    bench.subject.need("evaluation")
    x = bench.inputs()
    y = bench.runtime.numpy(bench.instance().evaluate(bench.runtime.array(x)))
    if not np.array_equal(x, y):
        zeros = float((y == 0).mean())
        ratio = float((y.astype(np.float64) * x).sum() / (x.astype(np.float64) ** 2).sum())
        words = "it still drops: does it look at the mode?" if zeros > 0.01 else ""
        if not words and abs(ratio - (1 - bench.rate)) < 1e-3:
            words = (
                f"it scales by 1 - p = {1 - bench.rate:g} in evaluation, as the paper does: and in training?"
            )
        raise FailedError(f"{zeros:.3g} of it is 0, and output over input is {ratio:.4g}", "the input", words)
    return "the input, to the bit"


@wrong
def training_after_evaluation(bench: Bench) -> str:
    """After an evaluation, training drops again as it did."""
    bench.subject.need("evaluation")
    instance, x = bench.instance(), bench.inputs()
    expected, off = bench.observed()
    for turn in range(2):
        instance.evaluate(bench.runtime.array(x))
        sample = bench.sampled(bench.rate, x, instance, calls=4)
        kept = float(sample.events.mean())
        stray = off + stray_of_share(sample.independent, expected, bench.alarm / 4)
        if abs(kept - expected) > stray:
            raise FailedError(
                f"keeps {kept:.4g} after evaluation number {turn + 1}",
                f"{expected:.4g} +- {stray:.2g}, as before it",
                "it is off for ever after the first evaluation: is the rate overwritten?"
                if kept == 1
                else "",
            )
    return "drops as before"


@wrong
def draws_again(bench: Bench) -> str:
    """The next call draws anew."""
    instance, x = bench.instance(), bench.inputs()
    origin = bench.runtime.origin()
    outputs = [bench.numpy(instance(bench.runtime.array(x))) for _ in range(3)]
    if bench.runtime.origin() != origin:
        raise FailedError(
            f"a call seeds the global generator of {bench.runtime.own_generator}",
            "a draw from it",
            "all else that draws, such as the order of the data, starts again at every call",
        )
    if all(np.array_equal(outputs[0], each) for each in outputs[1:]):
        raise FailedError(
            "three calls gave the same output",
            "three outputs",
            "the draw is made once: is the mask stored, or the generator seeded, at every call?",
        )
    return "three calls, three outputs"


@wrong
def repeats(bench: Bench) -> str:
    """Made again under the same seed, it draws the same; under another, something else."""
    bench.subject.need("seed")
    x = bench.inputs()
    first, again, other = (
        bench.numpy(bench.instance(turn=turn)(bench.runtime.array(x))) for turn in (5, 5, 6)
    )
    if not np.array_equal(first, again, equal_nan=True):
        raise FailedError(
            f"{float((first != again).mean()):.3g} of the outputs differ under the same seed",
            "the same, to the bit",
            "nothing seeds what it draws from: the clock, os.urandom, a generator of its own?",
        )
    if np.array_equal(first, other):
        raise FailedError(
            "two seeds gave the same output", "two outputs", "the seed is not used: is it constant inside?"
        )
    return "the same seed, the same output"


@limit
def generators(bench: Bench) -> str:
    """It draws from no global generator but its own framework's, and in evaluation from none."""
    instance, x = bench.instance(), bench.runtime.array(bench.inputs())
    instance(x)
    found = _moved(bench, lambda: instance(x)) - bench.subject.disturbs
    if found:
        raise FailedError(
            f"a call in training draws from the generator of {', '.join(sorted(found))}",
            f"from {', '.join(sorted(bench.subject.disturbs)) or 'no global generator'}",
            "seeding the framework does not seed it, and workers that are forked draw the same",
        )
    if "evaluation" not in bench.subject.lacks:
        found = _moved(bench, lambda: instance.evaluate(x))
        if found:
            raise FailedError(
                f"a call in evaluation draws from the generator of {', '.join(sorted(found))}",
                "from none",
                "an evaluation in between changes what training draws next",
            )
    return f"draws from {', '.join(sorted(bench.subject.disturbs)) or 'no global generator'}"


def _moved(bench: Bench, act: object) -> set[str]:
    before = bench.runtime.generators()
    act()  # type: ignore[operator]
    after = bench.runtime.generators()
    return {name for name, state in before.items() if after[name] != state}
