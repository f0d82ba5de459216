"""The probable mistake, in words: measured figures compared with those of the mistakes that people make."""

import math
from collections.abc import Callable, Iterator, Sequence

NOTHING = ""


def _normal_above(p: float) -> float:
    return math.erfc(p / math.sqrt(2)) / 2


Guess = tuple[float, str]


def _keep_rates(p: float) -> Iterator[Guess]:
    """What mistakes keep, where `p` was to be dropped, and their words. The first that fits is told."""
    q = 1 - p
    above = _normal_above(p)
    yield 1.0, "nothing is dropped: is it in evaluation mode, or is the rate not used?"
    yield (
        0.0,
        (
            "nothing is kept: is the mask rounded to integers, or compared the wrong way round with integers "
            "(`randint(0, 1) > p`)?"
        ),
    )
    yield above, f"P(N(0,1) > {p:g}) = {above:.3f}: is the mask drawn with randn instead of rand?"
    yield 1 - above, f"P(N(0,1) < {p:g}) = {1 - above:.3f}: is the mask drawn with randn instead of rand?"
    either = 2 * _normal_above(p)
    yield either, f"P(|N(0,1)| > {p:g}) = {either:.3f}: is the mask drawn from the size of a normal?"
    yield p, f"it keeps {p:g}, the rate that was to be dropped: are the keep rate and the drop rate swapped?"
    yield q * q, f"(1 - p)^2 = {q * q:.3f}: is it applied twice?"
    yield q + p * q, f"1 - p^2 = {1 - p * p:.3f}: do two masks have to agree before an element is dropped?"
    yield 1 - p / 2, f"1 - p/2 = {1 - p / 2:.3f}: is the uniform drawn on (-1, 1)?"
    yield q / 2, f"(1 - p)/2 = {q / 2:.3f}: is the uniform drawn on (-1, 1)?"
    yield 0.5, "it keeps half whatever the rate: is the rate used in the comparison?"
    yield q * q * q, f"(1 - p)^3 = {q**3:.3f}: is it applied three times?"


def keep_rate(measured: Sequence[tuple[float, float, float]]) -> str:
    """The mistake that keeps what was measured, at every rate at which it was.

    Args:
        measured: at each rate: the share that was kept, the probability of dropping that was asked for, and how far
            the measurement may be from what it measures.

    Example:
        >>> keep_rate([(0.3091, 0.5, 0.007)])
        'P(N(0,1) > 0.5) = 0.309: is the mask drawn with randn instead of rand?'
    """
    tables = [list(_keep_rates(p)) for _, p, _ in measured]
    for guesses in zip(*tables, strict=True):
        pairs = list(zip(measured, guesses, strict=True))
        off = [abs(guess - (1 - p)) > stray for (_, p, stray), (guess, _) in pairs]
        if any(off) and all(abs(kept - guess) <= stray for (kept, _, stray), (guess, _) in pairs):
            words: str = guesses[off.index(True)][1]
            return words
    return NOTHING


def _scales(p: float, kept: float) -> Iterator[Guess]:
    q = 1 - p
    yield 1.0, "what is kept is not scaled: was the division by 1 - p forgotten?"
    if p > 0:
        yield 1 / p, f"it is 1/p = {1 / p:.4g}: are the keep rate and the drop rate swapped?"
    yield q, f"it is 1 - p = {q:.4g}: is the scale of evaluation (of the original paper) applied in training?"
    yield 1 / q**2, f"it is 1/(1 - p)^2 = {1 / q**2:.4g}: is it scaled twice?"
    yield 1 + p, f"it is 1 + p = {1 + p:.4g}, the first terms of 1/(1 - p)"
    yield (
        math.sqrt(1 / q),
        f"it is (1 - p)^(-1/2) = {math.sqrt(1 / q):.4g}: does it keep the variance instead?",
    )
    if abs(kept - q) > 0.01:
        yield (
            1 / kept if kept else 0.0,
            f"it is 1 over the share that is kept, {kept:.3f}, which is not the one asked for",
        )


def scale(measured: float, p: float, kept: float) -> str:
    """The mistake that scales by what was measured.

    Example:
        >>> scale(1.0, 0.5, 0.5)
        'what is kept is not scaled: was the division by 1 - p forgotten?'
    """
    right = 1 / (1 - p)
    if 2.0**-13 < abs(measured / right - 1) < 2.0**-8:
        return f"it is off by {abs(measured / right - 1):.1g} of it: is it computed in a half type?"
    return _first(
        _scales(p, kept), lambda guess: math.isclose(measured, guess, rel_tol=2e-3) and guess != right
    )


def low_precision(kept: float, p: float, bits: int, stray: float) -> str:
    """The mistake of a draw that has too few bits.

    Example:
        >>> low_precision(0.99609, 0.001, 8, 0.0002)
        'a uniform of 8 bits is 0 with chance 2^-8: is the mask drawn in the half type of the input?'
    """
    for fine in (bits, bits - 1):
        step = 2.0**-fine
        for count in (math.ceil(p / step), math.floor(p / step) + 1, math.floor(p / step)):
            if abs((1 - kept) - count * step) <= stray and abs(count * step - p) > stray:
                what = f"is 0 with chance 2^-{fine}" if count == 1 else f"knows only multiples of 2^-{fine}"
                return f"a uniform of {fine} bits {what}: is the mask drawn in the half type of the input?"
    # PyTorch rounds a float32 uniform to the type; what became 1 is outside of [0, 1) and made 0.
    if abs((1 - kept) - (p + 2.0 ** -(bits + 1))) <= stray < 2.0 ** -(bits + 1):
        return (
            f"a uniform rounded to {bits} bits is 1 with chance 2^-{bits + 1}, and counts as 0 then: is the mask "
            "drawn in the half type of the input?"
        )
    return NOTHING


def axes(constant: list[int], shape: tuple[int, ...]) -> str:
    """What a mask that is constant along these axes is.

    Example:
        >>> axes([0], (64, 128))
        'one mask serves the whole batch: is it drawn from x.shape[1:]?'
    """
    ndim = len(shape)
    if not constant:
        return "every element has a draw of its own"
    if constant == list(range(ndim)):
        return "one draw decides on the whole array"
    if constant == [0]:
        return "one mask serves the whole batch: is it drawn from x.shape[1:]?"
    if constant == list(range(1, ndim)):
        return "one draw decides on a whole sample, as in DropPath"
    if constant == list(range(2, ndim)):
        return "one draw decides on a whole channel, as in spatial dropout with channels second"
    if constant == list(range(1, ndim - 1)):
        return "one draw is shared by all positions, as in spatial dropout with channels last, or over time"
    return f"one draw is shared along axes {', '.join(map(str, constant))}"


def _first(guesses: Iterator[Guess], fits: Callable[[float], bool]) -> str:
    return next((words for guess, words in guesses if fits(guess)), NOTHING)
