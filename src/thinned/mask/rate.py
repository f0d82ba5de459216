"""From a rate to the integer that half-words are compared with, and back to the scale."""

import math
from numbers import Real
from typing import SupportsFloat

import numpy as np

from thinned.errors import RateError

LEVELS = 1 << 16
"""How many values a half-word has: rates are quantised to multiples of 1 / LEVELS."""

_NO_NUMBERS: tuple[type, ...] = (bool, np.bool_, str, bytes)

WIDE_LEVELS = 1 << 32
"""The same for the wide variant, where an element has a whole word."""


def threshold(rate: SupportsFloat, *, wide: bool = False, constant: bool = True) -> int:
    """The integer T of the law: an element is kept iff its half-word `h >= T`.

        T = round_half_even(rate * 65536)

    Args:
        rate: probability of dropping, 0 <= rate <= 1.
        wide: compare whole words, `T = round_half_even(rate * 2^32)`.
        constant: a constant rate that rounds to a certainty is an error, since its author asked for
            chance; a scheduled or learned one (False) quantises, and is clamped to [0, 1] (NaN drops all).

    Returns:
        T, from 0 (keeps all) to 65536 (keeps none), or to 2^32 when wide.

    Raises:
        RateError: `rate` is not a number in [0, 1], or too near 0 or 1 for the variant.

    Example:
        >>> threshold(0.5), threshold(0.1), threshold(0), threshold(1)
        (32768, 6554, 0, 65536)
    """
    levels = WIDE_LEVELS if wide else LEVELS
    value = _number(rate)
    if not constant:
        return levels if math.isnan(value) else round(min(max(value, 0.0), 1.0) * levels)
    if not 0 <= value <= 1:  # also refuses NaN
        raise RateError(
            f"expected a rate in [0, 1], the probability of dropping; got {value!r}. "
            "If you have a probability of keeping, pass 1 minus it."
        )
    level = round(value * levels)
    if level in {0, levels} and value not in {0, 1}:
        raise RateError(
            f"rate {value!r} rounds to {level // levels} in multiples of 1/{levels}, so it would "
            f"drop {'everything' if level else 'nothing'}; pass exactly {level // levels} if that is meant, "
            f"or a rate in [{1 / levels:.3g}, 1 - {1 / levels:.3g}]."
        )
    return level


def scale(level: int, *, wide: bool = False) -> float:
    """What a kept element is multiplied by, in float64: the inverse of the *quantised* share kept.

        scale = 65536 / (65536 - T),  and 0 where T = 65536

    So the expectation of the output is the input for the rate `T / 65536` that is really used.

    Example:
        >>> scale(threshold(0.5)), scale(threshold(0)), scale(threshold(1))
        (2.0, 1.0, 0.0)
    """
    levels = WIDE_LEVELS if wide else LEVELS
    return levels / (levels - level) if level < levels else 0.0


def quantise(rate: SupportsFloat) -> float:
    """The rate that the law really uses: the multiple of 2^-16 nearest to `rate`.

    Args:
        rate: probability of dropping, 0 <= rate <= 1.

    Returns:
        `T / 65536`, exact in float32 and float64.

    Raises:
        RateError: as `threshold`.

    Example:
        >>> quantise(0.1), quantise(0.5)
        (0.100006103515625, 0.5)
    """
    return threshold(rate) / LEVELS


def _number(rate: SupportsFloat) -> float:
    """`rate` as a float64; text, booleans and arrays of several values are refused."""
    shape = getattr(rate, "shape", None)
    if not isinstance(rate, _NO_NUMBERS) and (isinstance(rate, Real) or shape == ()):
        return float(rate)
    raise RateError(
        f"expected a rate as one number in [0, 1]; got {rate!r} of type {type(rate).__name__}"
        + (f" and shape {tuple(shape)}" if shape else "")
        + "."
    )
