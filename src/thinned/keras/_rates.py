"""Rates in the configurations of layers: numbers as they are, schedules as their fields."""

from dataclasses import asdict
from typing import Any

from thinned.errors import RateError
from thinned.methods.schedule import Schedule


def check_schedule(rate: Any) -> Any:
    """A rate for one layer: a number, or a schedule of the step.

    Raises:
        RateError: a ramp over the depth.

    Example:
        >>> from thinned import linear
        >>> check_schedule(linear(0, 0.2))
        Traceback (most recent call last):
        thinned.errors.RateError: expected a rate, or a schedule with steps=...; got linear(0, 0.2), ...
    """
    if isinstance(rate, Schedule) and rate.steps is None:
        raise RateError(
            f"expected a rate, or a schedule with steps=...; got {rate}, a ramp over the depth of several layers, "
            "of which a layer alone knows nothing. Give each its own: schedule.along(place, count)."
        )
    return rate


def written(rate: Any) -> Any:
    """A rate as JSON holds it.

    Example:
        >>> from thinned import early
        >>> written(0.5), read(written(early(0.5, until=9)))
        (0.5, early(0.5, until=9))
    """
    return asdict(rate) if isinstance(rate, Schedule) else rate


def read(rate: Any) -> Any:
    """The reverse of `written`."""
    return Schedule(**rate) if isinstance(rate, dict) else rate
