"""Other types than float32: the draws must not be as coarse as the numbers that they drop."""

from typing import Any

import numpy as np

from thinned.conformance import likely
from thinned.conformance.bench import Bench
from thinned.conformance.checks.check import limit
from thinned.conformance.claim import SELECT
from thinned.conformance.outcome import FailedError, NotApplicableError
from thinned.methods.bounds import stray_of_share

RATES = (0.5, 0.1, 0.001)
"""The last is finer than a uniform of bfloat16 can be."""

BITS = {"float16": 11, "bfloat16": 8}
"""Of a number's fraction, with the one that is not stored: as many as a uniform draw of that type can have."""

ELEMENTS = 2**18


def _halves(bench: Bench) -> list[str]:
    bench.subject.need("half")
    found = [each for each in bench.runtime.dtypes if each in BITS]
    if not found:
        raise NotApplicableError(f"{bench.runtime.name} has no half types")
    if bench.claim.law != SELECT:
        raise NotApplicableError(
            f"it is looked at where a share is kept; {bench.claim.method} has another law"
        )
    return found


def _ones(bench: Bench) -> Any:
    shape = list(bench.claim.shape)
    drawn = int(np.prod([size for axis, size in enumerate(shape) if axis not in bench.claim.shared]))
    free = next((axis for axis in range(len(shape)) if axis not in bench.claim.shared), None)
    if free is None:
        raise NotApplicableError("a call has one draw alone")
    shape[free] *= max(1, ELEMENTS // drawn)
    return np.ones(shape, np.float32)


def _events(bench: Bench, y: Any) -> Any:
    where = tuple(0 if axis in bench.claim.shared else slice(None) for axis in range(y.ndim))
    return y[where] != 0


@limit
def half_precision(bench: Bench) -> str:
    """In half precision rates are those of float32, kept ones are scaled right, and the dtype stays."""
    told = []
    ones = _ones(bench)
    for dtype in _halves(bench):
        rates = RATES if "rates" not in bench.subject.lacks else (bench.rate,)
        for rate in rates:
            x = bench.runtime.array(ones, dtype)
            y = bench.instance(rate)(x)
            if bench.runtime.form(y) != bench.runtime.form(x):
                raise FailedError(
                    f"{bench.runtime.form(y).dtype} from {dtype}",
                    dtype,
                    "the mask is of a wider type than the input",
                )
            _right(bench, bench.numpy(y), rate, dtype, bench.alarm / 6)
        told.append(dtype)
    return f"{', '.join(told)}: the same law"


def _right(bench: Bench, y: Any, rate: float, dtype: str, alarm: float) -> None:
    kept = _events(bench, y)
    share = float(kept.mean())
    stray = stray_of_share(kept.size, 1 - rate, alarm)
    if abs(share - (1 - rate)) > stray:
        raise FailedError(
            f"{dtype}: keeps {share:.5g} at rate {rate:g}",
            f"{1 - rate:g} +- {stray:.2g}",
            likely.low_precision(share, rate, BITS[dtype], stray) or likely.keep_rate([(share, rate, stray)]),
        )
    right = bench.claim.scale(rate)
    # 1 - p rounded, its quotient rounded, the product rounded: three half units of the type.
    tolerance = 3 * 2.0 ** -BITS[dtype]
    worst = float(np.max(abs(y[y != 0] / right - 1), initial=0.0))
    if not worst <= tolerance:
        raise FailedError(
            f"{dtype}: what is kept is off by {worst:.3g} at rate {rate:g}",
            f"at most {tolerance:.2g}, relative",
        )


@limit
def half_rate_zero(bench: Bench) -> str:
    """In half precision rate 0 is the identity too, to the bit."""
    bench.subject.need("rates")
    ones = _ones(bench)
    for dtype in _halves(bench):
        y = bench.numpy(bench.instance(0.0)(bench.runtime.array(ones, dtype)))
        dropped = float((y != 1).mean())
        if dropped:
            step = 2.0 ** -BITS[dtype]
            near = step / 4 < dropped < 4 * step
            raise FailedError(
                f"{dtype}: {dropped:.3g} of the elements changed at rate 0",
                "none",
                f"a uniform of {BITS[dtype]} bits is 0 with chance {step:.2g}, and `rand > 0` drops it"
                if near
                else "",
            )
    return "the input, to the bit"


@limit
def double_precision(bench: Bench) -> str:
    """In float64 the scale is that of float64."""
    if bench.claim.law != SELECT:
        raise NotApplicableError(
            f"it is looked at where a share is kept; {bench.claim.method} has another law"
        )
    if "float64" not in bench.runtime.dtypes:
        raise NotApplicableError(f"{bench.runtime.name} has no float64 as it is configured")
    x = bench.runtime.array(_ones(bench), "float64")
    y = bench.instance()(x)
    if bench.runtime.form(y).dtype != bench.runtime.form(x).dtype:
        raise FailedError(f"{bench.runtime.form(y).dtype} from float64", "float64")
    return "float64"
