"""The rate that a module states."""

from typing import Any

RATES = ("p", "drop_prob", "rate", "drop_rate", "dropout", "prob", "dropout_rate")
"""What modules call the probability of dropping."""


def stated_rate(module: Any) -> float | None:
    """The rate that a module without modules in it states, by the usual names; None where it states none."""
    for name in RATES:
        value = getattr(module, name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1:
            return float(value)
    return None
