"""What is drawn and what is done with it, beyond plain dropout: the laws that frameworks and kernels execute.

A method's file makes one `Law`. With an amount, which is a threshold, or the bits of a standard deviation, it gives
a `Setting`: five choices that leave nothing to decide. `LawPlan` is a setting in its place.
"""

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, SupportsFloat

from thinned.errors import RateError
from thinned.mask.rate import LEVELS, WIDE_LEVELS, scale, threshold
from thinned.mask.sharing import Layout, Rows, Share, Window, layout, rows

HALF, WORD, UNIFORM, NORMAL = 0, 1, 2, 3
"""Draws: a half-word against a threshold; a whole word against one; `2u - 1`; a normal."""

SELECT, MULTIPLY, ADD, WRITE = 0, 1, 2, 3
"""What is done with them, `f = b + a z` being a draw `z` on its scale:  y = a x + b where kept, else c;  y = x f;
y = x + f;  y = f. `WRITE` of a mask is b where kept, else c."""


class Setting(NamedTuple):
    """One operation on one draw an element. A shift of -0.0 changes no number, not even -0.0."""

    draw: int
    combine: int
    level: int = 0
    a: float = 1.0
    b: float = -0.0
    c: float = 0.0


NOTHING = Setting(HALF, SELECT, LEVELS)
"""Drops everything: what is left of a method at rate 1."""

EVERYTHING = Setting(HALF, SELECT, 0)
"""Changes no bit."""


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """A named operation whose amount is data, so that it may be traced.

    Args:
        name: of the law; a registered operator is told it.
        setting: what an amount means.
        measure: what the amount stands for: `rate` (65536 levels), `wide` (2^32), or `size`, a float64's bits.
        slope: the law that takes the output's gradient to the input's, where it is another one.
        passes: whether the gradient goes through as it is.
        factors: a, b and c where the amount is an array that is traced: of its share q < 1, or its size, and of the
            module whose `sqrt` takes it.
    """

    name: str
    setting: Callable[[int], Setting]
    measure: str = "rate"
    slope: "Law | None" = None
    passes: bool = False
    factors: Callable[[Any, Any], tuple[Any, Any, Any]] | None = None

    @property
    def kind(self) -> tuple[int, int]:
        """What is drawn, and what is done with it, whatever the amount: short of `NOTHING` and `EVERYTHING`."""
        setting = self.setting(bits(1.0) if self.measure == "size" else 1)
        return setting.draw, setting.combine

    @property
    def gradient(self) -> "Law | None":
        """The law of the gradient, at the same address and amount; None where it goes through as it is."""
        return None if self.passes else self.slope or self

    def amount(self, value: SupportsFloat) -> int:
        """A constant rate, or size, as the integer that the law takes.

        Raises:
            RateError: a rate that no threshold stands for, or a size that is negative or no finite number.
        """
        if self.measure == "size":
            return bits(check_size(value))
        return threshold(value, wide=self.measure == "wide")


@dataclass(frozen=True, slots=True, eq=False)
class LawPlan:
    """What a framework or a kernel executes: a setting in its place, and the law that it came from.

    Args:
        where: how the array lies in its logical mask.
        law: whose setting it is.
        amount: of the law.
        setting: what is drawn, and what is done with it.
    """

    where: Layout
    law: Law
    amount: int
    setting: Setting

    def rows(self) -> Rows:
        """The layout as kernels walk it."""
        return _rows(self.where)

    def gradient(self) -> "LawPlan | None":
        """The plan of the gradient; None where it goes through as it is."""
        law = self.law.gradient
        return self if law is self.law else _gradient(self)


@lru_cache(maxsize=256)
def _gradient(how: LawPlan) -> LawPlan | None:
    law = how.law.gradient
    return None if law is None else LawPlan(how.where, law, how.amount, law.setting(how.amount))


def plan(
    shape: Sequence[int], law: Law, amount: int, share: Share = (), window: Window | None = None
) -> LawPlan:
    """Plan a law for an array.

    Raises:
        ShareError: an axis that is not there, or twice.
        WindowError: a window that does not lie in its global shape, or too many elements.

    Example:
        >>> plan((2, 3), THIN, 32768, share=1).setting.a
        2.0
    """
    if window is None and type(share) is tuple and all([type(axis) is int for axis in share]):  # noqa: C419
        return _kept(tuple(shape), law, amount, share)
    return _plan(shape, law, amount, share, window)


def _plan(shape: Sequence[int], law: Law, amount: int, share: Share, window: Window | None = None) -> LawPlan:
    setting = law.setting(amount)
    where = layout(shape, share, window, wide=setting.draw in {WORD, NORMAL})
    return LawPlan(where, law, amount, setting)


_kept = lru_cache(maxsize=4096)(_plan)


@lru_cache(maxsize=256)
def _rows(where: Layout) -> Rows:
    return rows(where)


def check_size(size: SupportsFloat) -> float:
    """A standard deviation: a finite number, 0 or more.

    Raises:
        RateError: anything else.

    Example:
        >>> check_size(0.1)
        0.1
    """
    value = math.nan if isinstance(size, (bool, str, bytes)) else _float(size)
    if not 0 <= value < math.inf:
        raise RateError(f"expected a standard deviation, a finite number from 0 on; got {size!r}.")
    return value


def _float(size: SupportsFloat) -> float:
    try:
        return float(size)
    except (TypeError, ValueError):
        return math.nan


def bits(value: float) -> int:
    """A float64's bits as a signed integer.

    Example:
        >>> size_of(bits(0.1))
        0.1
    """
    return int(struct.unpack("q", struct.pack("d", value))[0])


def size_of(amount: int) -> float:
    """The float64 that an amount's bits are."""
    return float(struct.unpack("d", struct.pack("q", amount))[0])


def clamped(amount: int, levels: int = LEVELS) -> int:
    """A threshold in its range: a traced one may be anything."""
    return min(max(amount, 0), levels)


def odds(q: Any) -> Any:
    """`q / (1 - q)` of a share below 1: the variance that inverted dropout multiplies by."""
    return q / (1 - q)


def _thin(amount: int) -> Setting:
    level = clamped(amount)
    return Setting(HALF, SELECT, level, scale(level))


def _wide(amount: int) -> Setting:
    level = clamped(amount, WIDE_LEVELS)
    return Setting(WORD, SELECT, level, scale(level, wide=True))


THIN = Law("thin", _thin)
"""Dropout itself."""

WIDE = Law("wide", _wide, "wide")
"""Dropout in the law's wide variant."""

DRAW_KEEP = Law("keep", lambda amount: Setting(HALF, WRITE, clamped(amount), b=1.0))
DRAW_WIDE = Law("wide keep", lambda amount: Setting(WORD, WRITE, clamped(amount, WIDE_LEVELS), b=1.0), "wide")
DRAW_UNIFORM = Law("uniform", lambda _: Setting(UNIFORM, WRITE, a=0.5, b=0.5))
DRAW_NORMAL = Law("normal", lambda _: Setting(NORMAL, WRITE, b=0.0))
"""The draws themselves; the input only says shape, type and device."""
