"""Rates that follow the step: pure functions, without hidden state and without a new compilation."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from thinned.errors import RateError
from thinned.mask.rate import LEVELS, threshold


@dataclass(frozen=True, slots=True)
class Schedule:
    """A rate as a function of the step. `linear`, `cosine`, `early` and `late` make them.

    Args:
        name: of the function that made it.
        start: the rate at step `begin` and before.
        end: the rate from step `begin + steps` on.
        steps: how many steps the change takes.
        begin: the step at which it starts.

    Example:
        >>> warm_up = linear(0.0, 0.5, steps=100)
        >>> warm_up(0), warm_up(50), warm_up(1000)
        (0.0, 0.25, 0.5)
    """

    name: str
    start: float
    end: float
    steps: int
    begin: int = 0

    def __call__(self, step: int) -> float:
        """The rate at a step, quantised to the multiples of 1/65536 that the law knows."""
        return round(float(self.at(np.float64(step), np)) * LEVELS) / LEVELS

    def at(self, step: Any, xp: Any) -> Any:
        """The same for a traced step, not quantised.

        Args:
            step: a floating-point array of one number; float64 where there is one.
            xp: the module whose `clip`, `cos` and `where` take it: `torch`, `jax.numpy`, `numpy`.
        """
        share = xp.clip((step - self.begin) / max(self.steps, 1), 0, 1)
        if self.steps == 0:  # a switch
            share = xp.where(step < self.begin, step * 0, step * 0 + 1)
        if self.name == "cosine":
            share = (1 - xp.cos(share * np.pi)) / 2
        return self.start + (self.end - self.start) * share


def linear(start: float, end: float, *, steps: int, begin: int = 0) -> Schedule:
    """From one rate to another in equal steps.

        rate(t) = start + (end - start) * clip((t - begin) / steps, 0, 1)

    Args:
        start: the rate until step `begin`, in [0, 1].
        end: the rate after `steps` more, in [0, 1].
        steps: how many, 1 or more.
        begin: the step at which the change starts.

    Raises:
        RateError: a rate outside [0, 1], or steps that are no such numbers.

    Example:
        >>> linear(0.5, 0.0, steps=4)(1)
        0.375

    References:
        Morerio, Cavazza, Volpi, Vidal, Murino, "Curriculum Dropout", 2017, https://arxiv.org/abs/1703.06229.
    """
    return _checked(Schedule("linear", start, end, steps, begin), least=1)


def cosine(start: float, end: float, *, steps: int, begin: int = 0) -> Schedule:
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
        Liu, Xu, Jin, Chen, Wang, Xie, Huang, Darrell, "Dropout Reduces Underfitting", 2023,
        https://arxiv.org/abs/2303.01500.
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
        Liu et al., "Dropout Reduces Underfitting", 2023, https://arxiv.org/abs/2303.01500.
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


def _checked(schedule: Schedule, *, least: int) -> Schedule:
    for name in ("start", "end"):
        value = getattr(schedule, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise RateError(
                f"expected a schedule that stays in [0, 1], the probability of dropping; got {name}={value!r} in "
                f"{schedule.name}(...)."
            )
    for name, lowest in (("steps", least), ("begin", 0)):
        value = getattr(schedule, name)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value < 1 << 32:
            raise RateError(
                f"expected a whole number in [{lowest}, 2^32); got {name}={value!r} in {schedule.name}(...)."
            )
    return schedule
