"""What is not a value: shape, dtype, device, strides; the input itself; what is not a number."""

import numpy as np

from thinned.conformance.bench import Bench
from thinned.conformance.checks.check import limit, wrong
from thinned.conformance.claim import BLOCK
from thinned.conformance.outcome import FailedError, NotApplicableError


@wrong
def shape_and_dtype(bench: Bench) -> str:
    """Shape, dtype and device are those of the input, in float32."""
    x = bench.runtime.array(bench.inputs())
    before, after = bench.runtime.form(x), bench.runtime.form(bench.instance()(x))
    if before != after:
        words = "the mask is of a wider type than the input" if after.dtype == "float64" else ""
        raise FailedError(str(after), str(before), words)
    return f"{before.dtype}, {before.shape}"


@wrong
def input_untouched(bench: Bench) -> str:
    """The input is as it was."""
    x = bench.inputs()
    given = bench.runtime.array(x)
    bench.instance()(given)
    if not np.array_equal(x, bench.runtime.numpy(given)):
        raise FailedError(
            "the input changed", "an output apart", "is it done in place: `x *= mask` instead of `x * mask`?"
        )
    return "unchanged"


@wrong
def views(bench: Bench) -> str:
    """A transposed view is treated as what it shows."""
    x = bench.inputs()
    given = bench.runtime.strided(bench.runtime.array(x))
    y = bench.numpy(bench.instance()(given))
    if y.shape != x.shape:
        raise FailedError(f"shape {y.shape}", f"{x.shape}")
    claim = bench.claim
    if claim.law == BLOCK or not claim.drops:
        return "runs"
    kept = claim.kept(x.astype(np.float64), y, bench.rate)
    if claim.law == "select":
        factors = (y / x)[kept]
        usual = bench.sample(bench.rate)
        known = usual.factors[usual.y != 0]
        right = float(np.median(known))
        bad = float((abs(factors / right - 1) > 1e-3).mean()) if factors.size else 1.0
        if bad and not (abs(known / right - 1) > 1e-3).any():  # else it is the factor, and told by its check
            raise FailedError(
                f"{bad:.3g} of what is kept is not the input times {right:g}",
                "all of it",
                "values are read or written in the order of memory, not of the axes",
            )
    return "the same law"


@limit
def strides(bench: Bench) -> str:
    """The output lies in memory as the input does."""
    given = bench.runtime.strided(bench.runtime.array(bench.inputs()))
    before = bench.runtime.strides(given)
    if before is None:
        raise NotApplicableError(f"arrays of {bench.runtime.name} have no strides that a user sees")
    after = bench.runtime.strides(bench.instance()(given))
    if before != after:
        raise FailedError(f"strides {after}", f"{before}, those of the input")
    return "kept"


@limit
def not_a_number(bench: Bench) -> str:
    """A NaN that is kept stays one, and what becomes of a dropped one is as stated."""
    claim = bench.claim
    if not claim.drops or claim.law == BLOCK:
        raise NotApplicableError(f"{claim.method} does not drop single elements")
    x = np.full(claim.shape, np.nan, np.float32)
    y = bench.runtime.numpy(bench.instance()(bench.runtime.array(x)))
    left = float(np.isnan(y).mean())
    if left == 0:
        raise FailedError("no NaN is left where all inputs are NaN", "NaN in what is kept", "NaN is hidden")
    does = "propagates" if left == 1 else "zero"
    if bench.subject.nan is not None and does != bench.subject.nan:
        raise FailedError(f"a dropped NaN {_becomes(does)}", f"it {_becomes(bench.subject.nan)}, as stated")
    return f"a dropped NaN {_becomes(does)}"


def _becomes(does: str) -> str:
    return "stays NaN (the mask is a factor)" if does == "propagates" else "becomes 0 (the mask selects)"


@limit
def any_shape(bench: Bench) -> str:
    """Arrays of one element, and of one to five axes, are taken."""
    if bench.claim.method != "Dropout":
        raise NotApplicableError(f"{bench.claim.method} asks for axes of its own")
    refused = []
    for shape in [(1,), (7,), (1, 1), (3, 5, 7), (2, 3, 2, 3), (2, 1, 3, 1, 2)]:
        try:
            y = bench.runtime.numpy(bench.instance()(bench.runtime.array(np.ones(shape, np.float32))))
        except Exception as error:
            refused.append(f"{shape}: {type(error).__name__}")
            continue
        if y.shape != shape:
            refused.append(f"{shape}: gives {y.shape}")
    if refused:
        raise FailedError("; ".join(refused), "an output of each shape")
    return "1 to 5 axes"
