"""The ends of the scale: rates 0 and 1, rates that are none, arrays of no elements and of many."""

import numpy as np

from thinned.conformance.bench import Bench
from thinned.conformance.checks.check import limit, wrong
from thinned.conformance.checks.gradient import closed
from thinned.conformance.claim import BLOCK
from thinned.conformance.outcome import FailedError, NotApplicableError
from thinned.methods.bounds import stray_of_share

MANY = 2**24 + 3
"""Elements of a large array: past the integers that float32 can count."""


@wrong
def rate_zero(bench: Bench) -> str:
    """At rate 0 training gives the input, to the bit."""
    bench.subject.need("rates")
    x = bench.inputs()
    instance = bench.instance(0.0)
    for _ in range(4):
        y = bench.runtime.numpy(instance(bench.runtime.array(x)))
        if not np.array_equal(x, y):
            differ = float((x != y).mean())
            raise FailedError(
                f"{differ:.3g} of the outputs differ from the input, {float((y == 0).mean()):.3g} are 0",
                "the input",
                "is the comparison `rand > rate`, which drops where rand is exactly 0, or the mask a normal's?"
                if (y == 0).any() and differ < 0.9
                else "",
            )
    return "the input, to the bit"


@limit
def rate_one(bench: Bench) -> str:
    """At rate 1 nothing is left, and the gradient is finite."""
    bench.subject.need("rates")
    if bench.claim.additive or bench.claim.law == BLOCK:
        raise NotApplicableError(f"rate 1 has no meaning for {bench.claim.method}")
    x, g = bench.inputs(), bench.inputs(turn=1)
    instance = bench.instance(1.0)
    y = bench.numpy(instance(bench.runtime.array(x)))
    if not np.array_equal(y, np.zeros_like(x)):
        nan = float(np.isnan(y).mean())
        raise FailedError(
            f"{nan:.3g} of the outputs are NaN"
            if nan
            else f"{float((y != 0).mean()):.3g} of the outputs are not 0",
            "zeros",
            "0 times 1/(1 - 1) is 0 times infinity" if nan else "",
        )
    try:
        bench.subject.need("gradient")
        _, dx = bench.runtime.vjp(closed(instance), bench.runtime.array(x), bench.runtime.array(g))
    except NotApplicableError as reason:
        return f"zeros ({reason})"
    found = bench.numpy(dx)
    if not np.array_equal(found, np.zeros_like(found)):
        raise FailedError(
            f"{np.isnan(found).mean():.3g} of the gradient is NaN, {(found != 0).mean():.3g} is not 0",
            "zeros",
            "the branch that is not taken divides by 0, and 0 times infinity is NaN in its gradient",
        )
    return "zeros, and a gradient of zeros"


@limit
def bad_rates(bench: Bench) -> str:
    """A rate that is no probability is refused."""
    bench.subject.need("rates")
    taken = []
    rates = (-0.1, float("nan")) if bench.claim.additive else (-0.1, 1.5, float("nan"))
    for rate in rates:
        try:
            bench.numpy(bench.instance(rate)(bench.runtime.array(bench.inputs())))
        except Exception:  # noqa: S112 - any refusal will do
            continue
        taken.append(f"{rate:g}")
    if taken:
        raise FailedError(f"takes the rate {' and '.join(taken)}", "an error for each")
    return f"refuses {', '.join(f'{rate:g}' for rate in rates)}"


@limit
def zero_size(bench: Bench) -> str:
    """An array of no samples gives an array of no samples."""
    shape = (0, *bench.claim.shape[1:])
    y = bench.runtime.numpy(bench.instance()(bench.runtime.array(np.zeros(shape, np.float32))))
    if y.shape != shape:
        raise FailedError(f"shape {y.shape} from shape {shape}", f"{shape}")
    return f"shape {shape} from shape {shape}"


@limit
def many_elements(bench: Bench) -> str:
    """An array of more than 2^24 elements has the same law in its last part, and no period that divides 2^23."""
    if bench.claim.shared or not bench.claim.drops or bench.claim.law == BLOCK:
        raise NotApplicableError(
            f"it is looked at where each element has a draw; {bench.claim.method} shares them"
        )
    axes = len(bench.claim.shape)
    shape = (1,) * (axes - 1) + (MANY,)
    x = np.ones(shape, np.float32)
    y = bench.runtime.numpy(bench.instance()(bench.runtime.array(x)))
    kept = bench.claim.kept(x, y, bench.rate).ravel()
    (expected, off), half = bench.observed(), 2**23
    last = kept[-(2**20) :]
    stray = off + stray_of_share(last.size, expected, bench.alarm / 4)
    if abs(float(last.mean()) - expected) > stray:
        raise FailedError(
            f"keeps {float(last.mean()):.4g} of the last 2^20 elements", f"{expected:g} +- {stray:.2g}"
        )
    same = float((kept[:half] == kept[half : 2 * half]).mean())
    alike = expected**2 + (1 - expected) ** 2
    stray = 2 * abs(2 * expected - 1) * off + 2 * off**2 + stray_of_share(half, alike, bench.alarm / 4)
    if abs(same - alike) > stray:
        raise FailedError(
            f"the halves agree in {same:.4g}", f"{alike:g} +- {stray:.2g}", "the draws have a period"
        )
    return f"{MANY:,} elements"
