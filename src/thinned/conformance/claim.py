"""What an implementation is held to: the catalogue's row of its method, as figures that can be measured."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thinned.errors import SubjectError
from thinned.methods import catalogue
from thinned.methods.alpha import LIMIT, affine
from thinned.methods.bounds import stray, stray_of_normal, stray_of_share, stray_of_square
from thinned.methods.dropout import moments as dropout_moments
from thinned.methods.entry import Moments

SELECT, ALPHA, NORMAL, UNIFORM, BLOCK = "select", "alpha", "normal", "uniform", "block"
"""How an output comes from its input: kept or zero; kept or a floor; times or plus a normal; times a uniform;
kept or zero in blocks."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A method at work: its law, what shares a draw, and the input that shows both.

    Args:
        method: its name in the catalogue.
        law: one of the constants above.
        shape: of the input of a sample, axes (batch, ...).
        shared: axes along which one draw is shared.
        rates: at which the law is measured; the first is also that of all other checks.
        moments: of each output, given the input and the rate.
        scaled: whether what is kept is divided by its chance.
        additive: whether noise is added, so that a zero does not stay one.
    """

    method: str
    law: str
    shape: tuple[int, ...]
    shared: tuple[int, ...]
    rates: tuple[float, ...]
    moments: Callable[[Any, float], Moments]
    scaled: bool = True
    additive: bool = False

    @property
    def drops(self) -> bool:
        """Whether elements are kept or dropped, so that a keep rate exists."""
        return self.law in {SELECT, ALPHA, BLOCK}

    @property
    def sharing(self) -> str:
        """What shares a draw, in words."""
        return f"shared along axes {', '.join(map(str, self.shared))}" if self.shared else "shared by none"

    def scale(self, rate: float) -> float:
        """What a kept element is multiplied by."""
        if self.law == ALPHA:
            return affine(rate)[0]
        return 1 / (1 - rate) if self.scaled else 1.0

    def kept(self, x: Any, y: Any, rate: float) -> Any:
        """Which elements were kept, or, of a continuous law, which rose away from their mean."""
        if self.law == ALPHA:
            # A kept element lies at a distance a |x - LIMIT| from what a dropped one becomes.
            a, _, floor = affine(rate)
            return np.abs(y - floor) > a * np.abs(x - LIMIT) / 2
        if self.law in {SELECT, BLOCK}:
            return y != 0
        return y > x if self.additive else (y - x) * np.sign(x) > 0

    def chance(self, rate: float) -> float:
        """That `kept` is true."""
        return 1 - rate if self.drops else 0.5

    def stray_of_mean(self, n: int, rate: float, alarm: float) -> float:
        """How far the mean of `n` standardised outputs may lie from 0."""
        if self.law == NORMAL:
            return stray_of_normal(n, alarm)
        return stray(n, 1.0, self._reach(rate), alarm)

    def stray_of_variance(self, n: int, rate: float, alarm: float) -> float:
        """How far the mean of their squares may lie from 1."""
        if self.law == NORMAL:
            return stray_of_square(n, alarm)
        if self.law == UNIFORM:
            return stray(n, 0.8, 2.0, alarm)
        odds = rate / (1 - rate)
        return stray(n, max(odds + 1 / odds - 2, 0.0), max(odds, 1 / odds), alarm)

    def _reach(self, rate: float) -> float:
        if self.law == UNIFORM:
            return math.sqrt(3)
        odds = rate / (1 - rate)
        return math.sqrt(max(odds, 1 / odds))

    def stray_of_kept(self, n: int, rate: float, alarm: float) -> float:
        """How far the share of `n` independent elements that are kept may lie from its chance."""
        return stray_of_share(n, self.chance(rate), alarm)


def _unscaled(x: Any, rate: float) -> Moments:
    x = np.asarray(x, np.float64)
    return Moments(x * (1 - rate), x**2 * rate * (1 - rate))


_RATES = (0.5, 0.2)
_SELECTING: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "Dropout": ((64, 128), ()),
    "Dropout1d": ((32, 48, 5), (2,)),
    "Dropout2d": ((32, 48, 3, 4), (2, 3)),
    "Dropout3d": ((32, 48, 2, 3, 2), (2, 3, 4)),
    "LockedDropout": ((32, 5, 48), (1,)),
    "BatchDropout": ((8, 1024), (0,)),
    "DropPath": ((512, 3, 4), (1, 2)),
    "StochasticDepth": ((6, 8), (0, 1)),
    "AttentionDropout": ((8, 4, 12, 16), ()),
}
"""Shape and shared axes of the methods that keep or drop, channels second."""

_NOISE = {
    "AlphaDropout": (ALPHA, (64, 128), (), _RATES),
    "FeatureAlphaDropout": (ALPHA, (32, 48, 3, 4), (2, 3), _RATES),
    "GaussianDropout": (NORMAL, (64, 128), (), _RATES),
    "UniformDropout": (UNIFORM, (64, 128), (), (0.2, 0.1)),
    "GaussianNoise": (NORMAL, (64, 128), (), (0.5, 0.2)),
    "DropBlock1d": (BLOCK, (32, 16, 14), (), (0.2, 0.1)),
    "DropBlock2d": (BLOCK, (16, 16, 14, 14), (), (0.2, 0.1)),
    "DropBlock3d": (BLOCK, (8, 16, 6, 6, 6), (), (0.2, 0.1)),
}

METHODS = (*_SELECTING, *_NOISE)
"""Methods whose outputs are a function of one array, and so can be held to a law."""


def claim(
    method: str = "Dropout",
    *,
    shape: tuple[int, ...] | None = None,
    rate: float | None = None,
    shared: tuple[int, ...] | None = None,
    channels_last: bool = False,
    scaled: bool = True,
) -> Claim:
    """What a method of the catalogue promises.

    Args:
        method: its name there.
        shape: of the input; None: one that shows the method's sharing.
        rate: the only one to be measured; None: two that tell the likely mistakes apart.
        shared: axes along which one draw is shared; None: the method's.
        channels_last: whether the channel axis of `shape` is the last instead of the second.
        scaled: whether what is kept is divided by its chance.

    Raises:
        SubjectError: a method that the catalogue does not have, or one that is no function of one array.

    Example:
        >>> claim("Dropout2d", channels_last=True).shape
        (32, 3, 4, 48)
    """
    if method not in METHODS:
        known = {entry.name for entry in catalogue()}
        what = "is no function of one array" if method in known else "is not in the catalogue"
        raise SubjectError(f"expected method= as one of {', '.join(METHODS)}; got {method!r}, which {what}.")
    made = _made(method)
    if shape is not None and shared is None and len(shape) != len(made.shape):
        made = replace(made, shared=_fitted(method, made, len(shape)))
    if shape is not None:
        made = replace(made, shape=shape)
    elif channels_last and len(made.shape) > 2:
        made = replace(made, shape=(made.shape[0], *made.shape[2:], made.shape[1]))
    if channels_last and made.shared and method.endswith(("1d", "2d", "3d", "FeatureAlphaDropout")):
        made = replace(made, shared=tuple(axis - 1 for axis in made.shared))
    if shared is not None:
        made = replace(made, shared=tuple(axis % len(made.shape) for axis in shared))
    if rate is not None:
        made = replace(made, rates=(rate,))
    return made if scaled else replace(made, scaled=False, moments=_unscaled)


def _fitted(method: str, made: Claim, axes: int) -> tuple[int, ...]:
    """The shared axes of an input with another number of axes, where the method's rule gives them."""
    if method == "DropPath":
        return tuple(range(1, axes))
    if method == "StochasticDepth":
        return tuple(range(axes))
    if method == "FeatureAlphaDropout":
        return tuple(range(2, axes))
    if not made.shared or max(made.shared) < axes:
        return made.shared
    raise SubjectError(
        f"expected shape= with {len(made.shape)} axes for {method}; got {axes}. State shared= with it, the axes "
        "along which one draw is shared."
    )


def _made(method: str) -> Claim:
    moments = {entry.name: entry.moments for entry in catalogue()}.get(method) or dropout_moments
    if method in _SELECTING:
        shape, shared = _SELECTING[method]
        return Claim(method, SELECT, shape, shared, _RATES, moments)
    law, shape, shared, rates = _NOISE[method]
    return Claim(method, law, shape, shared, rates, moments, additive=method == "GaussianNoise")
