"""What frameworks do with functions: compile them, and vectorise them."""

from typing import Any

import numpy as np

from thinned.conformance.bench import Bench
from thinned.conformance.checks.check import limit
from thinned.conformance.checks.gradient import compare
from thinned.conformance.checks.independence import apart
from thinned.conformance.claim import BLOCK
from thinned.conformance.outcome import FailedError, NotApplicableError
from thinned.methods.bounds import stray_of_share

LANES = 8


@limit
def compiled_law(bench: Bench) -> str:
    """Compiled, it draws anew at every call, by the same law, and its gradient has the mask of its output."""
    bench.subject.need("compile")
    x, g = bench.inputs(), bench.inputs(turn=1)
    instance = bench.instance()
    compiled = bench.runtime.compiled(instance.raw, bench.compiler)
    passes = [_pass(bench, compiled, instance.token(), x, g) for _ in range(3)]
    outputs = [y for y, _ in passes]
    if any(np.array_equal(outputs[0], each) for each in outputs[1:]):
        raise FailedError(
            "two compiled calls gave the same output",
            "another one each",
            "the mask was drawn once, while the function was traced, and is a constant of the program",
        )
    found = "draws anew" if bench.claim.law == BLOCK else _law(bench, x.astype(np.float64), outputs)
    for y, dx in passes:
        if dx is not None:
            compare(bench, x.astype(np.float64), g.astype(np.float64), y, dx)
    return found


def _pass(bench: Bench, compiled: Any, token: tuple[Any, ...], x: Any, g: Any) -> tuple[Any, Any]:
    """Output and gradient of one compiled call; no gradient where there is none to ask for."""
    try:
        bench.subject.need("gradient")
        y, dx = bench.runtime.vjp(
            lambda x: compiled(x, *token), bench.runtime.array(x), bench.runtime.array(g)
        )
    except NotApplicableError:
        return bench.numpy(compiled(bench.runtime.array(x), *token)), None
    return bench.numpy(y), bench.numpy(dx)


def _law(bench: Bench, x: Any, outputs: list[Any]) -> str:
    """How many are kept, and that neighbours are on their own."""
    kept = np.stack([bench.claim.kept(x, y, bench.rate) for y in outputs])
    where = tuple(0 if axis in bench.claim.shared else slice(None) for axis in range(x.ndim))
    kept = kept[(slice(None), *where)]
    expected, off = bench.observed()
    stray = off + stray_of_share(kept.size, expected, bench.alarm / 4)
    if abs(float(kept.mean()) - expected) > stray:
        raise FailedError(f"keeps {float(kept.mean()):.4g} when compiled", f"{expected:g} +- {stray:.2g}")
    flat = kept.reshape(len(kept), -1)
    if flat.shape[1] > 1:
        apart(bench, flat, bench.alarm / 4)
    return f"keeps {float(kept.mean()):.4f}, and draws anew"


@limit
def compiled_equals_eager(bench: Bench) -> str:
    """Compiled, it gives what it gives uncompiled under the same seed, to within rounding."""
    bench.subject.need("compile", "seed")
    x = bench.inputs()
    expected = bench.numpy(bench.instance(turn=3)(bench.runtime.array(x)))
    instance = bench.instance(turn=3)
    compiled = bench.runtime.compiled(instance.raw, bench.compiler)
    found = bench.numpy(compiled(bench.runtime.array(x), *instance.token()))
    if not np.allclose(found, expected, rtol=1e-5, atol=1e-6):
        differ = float((abs(found - expected) > 1e-6 + 1e-5 * abs(expected)).mean())
        raise FailedError(
            f"{differ:.3g} of the outputs differ",
            "the same",
            "the compiled program draws from another generator, or in another order",
        )
    return "the same masks"


@limit
def vmap(bench: Bench) -> str:
    """Under vmap each lane draws on its own, by the same law."""
    bench.subject.need("vmap")
    if bench.claim.law == BLOCK:
        raise NotApplicableError("it is looked at where each element has a draw")
    x = np.stack([bench.inputs()] * LANES)
    instance = bench.instance()
    tokens = [instance.token() for _ in range(LANES)]
    y = bench.numpy(bench.runtime.vmapped(instance.raw, bench.runtime.array(x), tokens))
    kept = bench.claim.kept(x.astype(np.float64), y, bench.rate)
    where = tuple(0 if axis in bench.claim.shared else slice(None) for axis in range(x.ndim - 1))
    kept = kept[(slice(None), *where)].reshape(LANES, -1)
    chance, off = bench.observed()
    stray = off + stray_of_share(kept.size, chance, bench.alarm / 4)
    if abs(float(kept.mean()) - chance) > stray:
        raise FailedError(f"keeps {float(kept.mean()):.4g} under vmap", f"{chance:g} +- {stray:.2g}")
    alike = chance**2 + (1 - chance) ** 2
    pairs = LANES * (LANES - 1) // 2
    one, other = np.triu_indices(LANES, 1)
    shares = (kept[one] == kept[other]).mean(axis=1)
    slack = 2 * abs(2 * chance - 1) * off + 2 * off**2
    stray = slack + stray_of_share(kept.shape[1], alike, bench.alarm / (4 * pairs))
    if (abs(shares - alike) > stray).any():
        raise FailedError(
            f"two lanes agree in {float(shares.max()):.4g} of their draws",
            f"{alike:.3g} +- {stray:.2g}",
            "all lanes have one mask: is the key or the seed not batched?" if shares.max() == 1 else "",
        )
    return f"{pairs} pairs of lanes are independent"
