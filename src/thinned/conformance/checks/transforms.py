"""What frameworks do with functions: compile them, and vectorise them."""

import numpy as np

from thinned.conformance.bench import Bench
from thinned.conformance.checks.check import limit
from thinned.conformance.claim import BLOCK
from thinned.conformance.outcome import FailedError, NotApplicableError
from thinned.methods.bounds import stray_of_share

LANES = 8


@limit
def compiled_law(bench: Bench) -> str:
    """Compiled, it draws anew at every call, by the same law."""
    bench.subject.need("compile")
    x = bench.inputs()
    instance = bench.instance()
    compiled = bench.runtime.compiled(instance.raw, bench.compiler)
    outputs = [bench.numpy(compiled(bench.runtime.array(x), *instance.token())) for _ in range(3)]
    if any(np.array_equal(outputs[0], each) for each in outputs[1:]):
        raise FailedError(
            "two compiled calls gave the same output",
            "another one each",
            "the mask was drawn once, while the function was traced, and is a constant of the program",
        )
    kept = np.stack([bench.claim.kept(x.astype(np.float64), y, bench.rate) for y in outputs])
    where = tuple(0 if axis in bench.claim.shared else slice(None) for axis in range(x.ndim))
    kept = kept[(slice(None), *where)]
    if bench.claim.law == BLOCK:
        return "draws anew"
    expected, off = bench.observed()
    stray = off + stray_of_share(kept.size, expected, bench.alarm / 2)
    if abs(float(kept.mean()) - expected) > stray:
        raise FailedError(f"keeps {float(kept.mean()):.4g} when compiled", f"{expected:g} +- {stray:.2g}")
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
