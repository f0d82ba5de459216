"""Rates that follow the step, or the depth: pure functions, without hidden state and without a new compilation.

A layer takes one where it takes a rate. What it is at a step is computed in float64 everywhere, so eager and
compiled code have the same threshold, and the same masks.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from thinned.errors import RateError
from thinned.mask.rate import LEVELS, threshold
from thinned.methods.plain import plain

_GRID = float(1 << 40)
"""Rates are rounded to its inverse first. Two libraries' cosines may differ in the last bit; so near to a half of
1/65536, as at the middle of a ramp, that bit would decide a threshold."""

_LAST = (1 << 32) - 1
"""The last step there is."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rate as a function of the step, or of the depth where `steps` is None.

    `linear`, `cosine`, `early` and `late` make them.

    Args:
        name: of the function that made it.
        start: the rate at step `begin` and before, or of the first layer.
        end: the rate from step `begin + steps` on, or of the last layer.
        steps: how many steps the change takes; 0 is a switch, None a ramp over the depth.
        begin: the step at which it starts.

    Example:
        >>> warm_up = linear(0.0, 0.5, steps=100)
        >>> warm_up(0), warm_up(50), warm_up(1000)
        (0.0, 0.25, 0.5)
    """

    name: str
    start: float
    end: float
    steps: int | None
    begin: int = 0

    def __call__(self, step: int) -> float:
        """The rate at a step, quantised to the multiples of 1/65536 that the law knows.

        Raises:
            RateError: a ramp over the depth, which no step tells the rate of.
        """
        return _at(self, step)

    def at(self, step: Any, xp: Any) -> Any:
        """The same for a traced step, not quantised.

        Args:
            step: a floating-point array of one number; float64 where there is one.
            xp: the module whose `clip`, `cos`, `round` and `where` take it: `torch`, `jax.numpy`, `numpy`.

        Raises:
            RateError: as a call.
        """
        if self.steps is None:
            raise RateError(self._why_unresolved())
        if self.steps:
            share = xp.clip((step - self.begin) / self.steps, 0, 1)
        else:  # a switch
            share = xp.where(step < self.begin, step * 0, step * 0 + 1)
        return xp.round(self._between(share, xp) * _GRID) / _GRID

    def along(self, place: int, count: int) -> float:
        """The rate of one of several layers, in their order; a schedule of the step is none of these.

        Args:
            place: of the layer, 0 for the first.
            count: how many layers there are. A single one has the rate of the last.

        Returns:
            A constant that the law can hold: one that would drop nothing or everything is exactly 0 or 1.

        Raises:
            RateError: a schedule of the step.

        Example:
            >>> [linear(0, 0.2).along(place, 3) for place in range(3)]
            [0.0, 0.1, 0.2]
        """
        if self.steps is not None:
            raise RateError(f"expected a ramp over the depth, without steps; got {self}.")
        rate = float(self._between(np.float64(place / (count - 1) if count > 1 else 1), np))
        level = threshold(rate, constant=False)
        return level / LEVELS if level in {0, LEVELS} else rate

    def __str__(self) -> str:
        """As it was written."""
        if self.name == "early":
            return f"early({self.start}, until={self.begin})"
        if self.name == "late":
            return f"late({self.end}, after={self.begin})"
        steps = "" if self.steps is None else f", steps={self.steps}"
        return f"{self.name}({self.start}, {self.end}{steps}{f', begin={self.begin}' if self.begin else ''})"

    __repr__ = __str__

    def _between(self, share: Any, xp: Any) -> Any:
        """The rate when this share of the way from `start` to `end` is gone."""
        if self.name == "cosine":
            share = (1 - xp.cos(share * np.pi)) / 2
        return self.start * (1 - share) + self.end * share  # exact at both ends

    def _why_unresolved(self) -> str:
        return (
            f"expected a rate, or a schedule with steps=...; got {self}, a ramp over the depth of several layers, "
            "of which one knows nothing. Give the layer to thinned.torch.convert(model, {pattern: layer}), which "
            "sets the rate of each layer that the pattern matches; or give each layer its own, "
            "schedule.along(place, count)."
        )


@lru_cache(maxsize=1024)
def _at(schedule: Schedule, step: int) -> float:
    """Many layers of a model ask the same of each step."""
    return round(float(schedule.at(np.float64(step), np)) * LEVELS) / LEVELS


class Changes(NamedTuple):
    """A schedule as integers, for programs without float64.

        T(step) = first + sign * (how many of `steps` are at most `step`)

    Args:
        first: the threshold at step 0.
        sign: 1 or -1.
        steps: where the threshold moves by one, in order; uint32.
    """

    first: int
    sign: int
    steps: npt.NDArray[np.uint32]

    def at(self, step: Any, xp: Any) -> Any:
        """The rate at a traced step, exactly: a float32 holds every threshold.

        Args:
            step: an integer, or an array of one.
            xp: the module whose `searchsorted` takes it: `jax.numpy`, `numpy`.

        Example:
            >>> float(changes(linear(0.5, 0.0, steps=4)).at(1, np))
            0.375
        """
        moved = (
            xp.searchsorted(self.steps, xp.asarray(step, xp.uint32), side="right") if len(self.steps) else 0
        )
        return xp.asarray(self.first + self.sign * moved, xp.float32) / LEVELS


@lru_cache(maxsize=64)
def changes(schedule: Schedule) -> Changes:
    """The steps at which a schedule's threshold changes: its rates, exactly as a call has them.

    Raises:
        RateError: as a call.

    Example:
        >>> changes(linear(0.5, 0.5 - 2 / 65536, steps=100))
        Changes(first=32768, sign=-1, steps=array([26, 75], dtype=uint32))
    """
    first, last = (round(schedule(step) * LEVELS) for step in (0, _LAST))
    sign = 1 if last >= first else -1
    moved = np.arange(1, abs(last - first) + 1)
    before, after = np.zeros_like(moved), np.full_like(moved, _LAST)
    while (after - before > 1).any():  # a schedule goes one way only
        middle = (before + after) // 2
        levels = np.round(schedule.at(middle.astype(np.float64), np) * LEVELS).astype(np.int64)
        there = sign * (levels - first) >= moved
        before, after = np.where(there, before, middle), np.where(there, middle, after)
    return Changes(first, sign, after.astype(np.uint32))


def linear(start: float, end: float, *, steps: int | None = None, begin: int = 0) -> Schedule:
    """From one rate to another in equal steps: of training, or without `steps` from layer to layer.

        rate(t) = start + (end - start) * clip((t - begin) / steps, 0, 1)
        rate(l) = start + (end - start) * l / (L - 1)

    The second is a ramp over the L layers that a pattern of `thinned.torch.convert` matches, in their order.

    Args:
        start: the rate until step `begin`, or of the first layer, in [0, 1].
        end: the rate after `steps` more, or of the last layer, in [0, 1].
        steps: how many, 1 or more; None is a ramp over the depth.
        begin: the step at which the change starts.

    Raises:
        RateError: a rate outside [0, 1], or steps that are no such numbers.

    Example:
        >>> linear(0.5, 0.0, steps=4)(1)
        0.375

    References:
        Morerio, Cavazza, Volpi, Vidal, Murino, "Curriculum Dropout", 2017, https://arxiv.org/abs/1703.06229 (of the
        step); Huang, Sun, Liu, Sedra, Weinberger, "Deep Networks with Stochastic Depth", 2016,
        https://arxiv.org/abs/1603.09382 (by depth). We differ: their curriculum is an exponential that only grows.
    """
    return _checked(Schedule("linear", start, end, steps, begin), least=1)


def cosine(start: float, end: float, *, steps: int | None = None, begin: int = 0) -> Schedule:
    """From one rate to another along half a cosine: slow, fast, slow.

        rate(t) = start + (end - start) * (1 - cos(pi clip((t - begin) / steps, 0, 1))) / 2

    Args and errors are those of `linear`.

    Example:
        >>> cosine(0.0, 0.5, steps=4)(2)
        0.25
    """
    return _checked(Schedule("cosine", start, end, steps, begin), least=1)


def early(rate: float, *, until: int) -> Schedule:
    """A rate that is switched off: `rate` before step `until`, 0 from there on.

    Args:
        rate: probability of dropping while it is on.
        until: the first step without it.

    Raises:
        RateError: a rate outside [0, 1], or a step that is no such number.

    Example:
        >>> early(0.5, until=10)(9), early(0.5, until=10)(10)
        (0.5, 0.0)

    References:
        Liu, Xu, Jin, Shen, Darrell, "Dropout Reduces Underfitting", 2023, https://arxiv.org/abs/2303.01500.
    """
    return _checked(Schedule("early", rate, 0.0, 0, until), least=0)


def late(rate: float, *, after: int) -> Schedule:
    """A rate that is switched on: 0 before step `after`, `rate` from there on.

    Args:
        rate: probability of dropping once it is on.
        after: the first step with it.

    Raises:
        RateError: a rate outside [0, 1], or a step that is no such number.

    Example:
        >>> late(0.5, after=10)(9), late(0.5, after=10)(10)
        (0.0, 0.5)

    References:
        Liu, Xu, Jin, Shen, Darrell, "Dropout Reduces Underfitting", 2023, https://arxiv.org/abs/2303.01500.
    """
    return _checked(Schedule("late", 0.0, rate, 0, after), least=0)


Rate = TypeVar("Rate")


def check_rate(rate: Rate) -> Rate:
    """A layer's rate: a schedule is taken as it is, anything else must be a constant that the law can hold.

    Raises:
        RateError: as `thinned.mask.threshold`.

    Example:
        >>> check_rate(0.25)
        0.25
    """
    if not isinstance(rate, Schedule):
        threshold(rate)  # type: ignore[arg-type]
    return rate


_CALLED = {"early": {"start": "rate", "begin": "until"}, "late": {"end": "rate", "begin": "after"}}
"""What the user calls a schedule's parts, where it is not as here."""


def _checked(schedule: Schedule, *, least: int) -> Schedule:
    called = _CALLED.get(schedule.name, {})
    given = {name: plain(getattr(schedule, name)) for name in ("start", "end", "steps", "begin")}
    schedule = replace(schedule, **given)
    for name in ("start", "end"):
        value = getattr(schedule, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise RateError(
                f"expected a schedule that stays in [0, 1], the probability of dropping; got "
                f"{called.get(name, name)}={value!r} in {schedule.name}(...)."
            )
    for name, lowest in (("steps", least), ("begin", 0)):
        value = getattr(schedule, name)
        if name == "steps" and value is None and schedule.begin == 0:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value < 1 << 32:
            raise RateError(
                f"expected a whole number in [{lowest}, 2^32); got {called.get(name, name)}={value!r} in "
                f"{schedule.name}(...)."
            )
    return schedule
