"""The gradient: that of the mask which the forward pass had, recomputed or not, and a second time."""

from typing import Any

import numpy as np

from thinned.conformance.bench import Bench
from thinned.conformance.checks.check import limit, wrong
from thinned.conformance.claim import ALPHA
from thinned.conformance.outcome import FailedError
from thinned.conformance.subject import Instance

ROUNDING = 16 * 2.0**-24
"""Relative: a handful of roundings of float32 on either side of a comparison."""

SHORT = 2
"""Calls whose gradients are compared."""


def closed(instance: Instance) -> Any:
    """The next call as a function of the input alone."""
    token = instance.token()
    return lambda x: instance.raw(x, *token)


def _slope(bench: Bench, x: Any, y: Any) -> Any:
    """dy/dx, from what one call made of its input."""
    if bench.claim.additive:
        return np.ones_like(y)
    if bench.claim.law == ALPHA:
        return bench.claim.kept(x, y, bench.rate) * bench.claim.scale(bench.rate)
    return y / x


def compare(bench: Bench, x: Any, g: Any, y: Any, dx: Any) -> str:
    """Hold the gradient `dx` of `sum(y g)` to the mask that `y` shows; all in float64.

    Raises:
        FailedError: another mask or another factor.
    """
    slope = _slope(bench, x, y)
    expected = slope * g
    # Of alpha dropout the slope is the method's, and the subject's rate may be kept in 16 bits.
    tolerance = ROUNDING + (2.0**-14 if bench.claim.law == ALPHA else 0)
    wrong_ones = ~(abs(dx - expected) <= tolerance * np.maximum(abs(expected), abs(g)))
    if not wrong_ones.any():
        return "the gradient has the mask of the forward pass"
    kept, passed = slope != 0, dx != 0
    share = float(wrong_ones.mean())
    alike = float((kept == passed).mean())
    words = ""
    if not bench.claim.drops:
        words = "the backward pass drew other noise"
    elif (kept == passed).all():
        ratio = float(np.median(dx[kept] / (expected[kept] + (expected[kept] == 0))))
        words = (
            "the mask is right, and the factor but for its last bits: is it computed in a half type?"
            if abs(ratio - 1) < 2.0**-7
            else f"the mask is right, the factor {ratio:.4g} times too large: is the scale in one pass only?"
        )
    elif passed.all():
        words = "everything has a gradient: is the mask hidden from what is differentiated?"
    elif alike < 0.99:
        words = "the backward pass drew another mask"
    raise FailedError(
        f"{share:.3g} of the gradient is not the forward's mask times its scale; kept or not in both {alike:.3g}",
        f"all, relative error at most {tolerance:.1g}",
        words,
    )


def _passes(bench: Bench, transform: Any = None) -> str:
    bench.subject.need("gradient")
    instance, told = bench.instance(), ""
    for turn in range(SHORT):
        x, g = bench.inputs(turn=2 * turn), bench.inputs(turn=2 * turn + 1)
        call = closed(instance)
        call = call if transform is None else transform(call)
        y, dx = bench.runtime.vjp(call, bench.runtime.array(x), bench.runtime.array(g))
        told = compare(bench, x.astype(np.float64), g.astype(np.float64), bench.numpy(y), bench.numpy(dx))
    return told


@wrong
def gradient_mask(bench: Bench) -> str:
    """The gradient is that of the mask which the forward pass had."""
    return _passes(bench)


@wrong
def recomputation(bench: Bench) -> str:
    """Under activation checkpointing the recomputed mask is the first one."""
    bench.subject.need("gradient", "checkpoint")
    try:
        return _passes(bench, bench.runtime.checkpointed)
    except FailedError as found:
        words = _not_repeated(bench)
        if not words:
            raise
        raise FailedError(found.measured, found.expected, words, limit=True) from None


def _not_repeated(bench: Bench) -> str:
    """Why recomputation cannot repeat what the subject draws, where that is so."""
    runtime = bench.runtime
    if not runtime.repeats_draws and bench.subject.disturbs:
        return f"{runtime.name} does not repeat the draws of its generator when it recomputes: take a seed"
    if runtime.restored:
        instance, x = bench.instance(), runtime.array(bench.inputs())
        before = runtime.generators()[runtime.restored]
        instance(x)
        if runtime.generators()[runtime.restored] == before:
            return f"{runtime.name} restores no generator but its own when it recomputes: draw from that, or a seed"
    return ""


@limit
def double_backward(bench: Bench) -> str:
    """The gradient of the gradient has the same mask."""
    bench.subject.need("gradient")
    x, v = bench.inputs(), bench.inputs(turn=1)
    y, found = bench.runtime.second(closed(bench.instance()), bench.runtime.array(x), bench.runtime.array(v))
    x, y = x.astype(np.float64), bench.numpy(y)
    slope = _slope(bench, x, y)
    expected = 6 * slope**2 * y * v
    found = bench.numpy(found)
    tolerance = 4 * ROUNDING + (2.0**-13 if bench.claim.law == ALPHA else 0)
    bound = tolerance * (abs(expected) + 6 * slope**2 * abs(v))
    bad = ~(abs(found - expected) <= bound)
    if bad.any():
        raise FailedError(
            f"{float(bad.mean()):.3g} of it is not that of the mask",
            "all of it",
            _second_words(found, expected),
        )
    return "has the mask of the forward pass"


def _second_words(found: Any, expected: Any) -> str:
    ratios = found[expected != 0] / expected[expected != 0]
    if not ratios.size or not np.isfinite(ratios).all() or np.ptp(ratios) > 1e-3 * abs(ratios[0]):
        return ""
    return (
        f"it is {float(np.median(ratios)):.4g} times what it should be: does a backward pass of one's own have a "
        "backward pass that forgets the scale?"
    )
