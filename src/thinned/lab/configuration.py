"""What a trial trains: the network, the optimiser, and how long; plain values that a record can hold."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any

from thinned.errors import ConfigurationError
from thinned.mask import threshold

EVALUATION_BATCH = 4096
"""Examples evaluated at once: their activations stay in a few megabytes."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One network and its training; the defaults are the textbook chapter's.

    Args:
        hidden: units of each hidden layer.
        rates: probability of dropping after each hidden layer; 0 leaves the layer out.
        lr: learning rate of plain SGD.
        batch: examples in a minibatch; the last one of an epoch may be smaller.
        epochs: passes over the training examples.

    Raises:
        ConfigurationError: a size that is not a positive integer, a learning rate that is not positive and
            finite, or as many rates as there are not hidden layers.
        RateError: a rate that no mask stands for.

    Example:
        >>> Configuration(hidden=(64,), rates=(0.5,), epochs=1).without_dropout().rates
        (0.0,)

    References:
        Zhang, Lipton, Li, Smola, "Dive into Deep Learning", section "Dropout", 2021, https://d2l.ai.
    """

    hidden: tuple[int, ...] = (256, 256)
    rates: tuple[float, ...] = (0.2, 0.5)
    lr: float = 0.5
    batch: int = 256
    epochs: int = 10

    def __post_init__(self) -> None:
        hidden = tuple(_size("width", width) for width in _several("hidden", self.hidden))
        object.__setattr__(self, "hidden", hidden)
        object.__setattr__(self, "rates", tuple(_real("rate", r) for r in _several("rates", self.rates)))
        object.__setattr__(self, "lr", _real("learning rate", self.lr))
        object.__setattr__(self, "batch", _size("batch", self.batch))
        object.__setattr__(self, "epochs", _size("epochs", self.epochs))
        if not self.hidden:
            raise ConfigurationError(
                "expected at least one hidden layer; got none. Give a width, such as 256."
            )
        if not 0 < self.lr < math.inf:
            raise ConfigurationError(
                f"expected a positive, finite learning rate; got {self.lr}. The chapter uses 0.5."
            )
        if len(self.rates) != len(self.hidden):
            raise ConfigurationError(
                f"expected one rate for each of the {len(self.hidden)} hidden layers; got {len(self.rates)}: "
                f"{', '.join(map(str, self.rates))}. Give one for each, or a single one for all."
            )
        for rate in self.rates:
            threshold(rate)

    def changed(self, settings: Mapping[str, Any]) -> "Configuration":
        """The same with some settings changed; a single width or rate stands for every hidden layer.

        Raises:
            ConfigurationError: a setting that does not exist, or what the constructor refuses.

        Example:
            >>> Configuration().changed({"rates": (0.3,), "epochs": 2}).rates
            (0.3, 0.3)
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        unknown = sorted(set(settings) - set(values))
        if unknown:
            raise ConfigurationError(f"expected settings from {', '.join(values)}; got {', '.join(unknown)}.")
        values |= settings
        values |= {name: _several(name, values[name]) for name in ("hidden", "rates")}
        if len(values["hidden"]) == 1:
            values["hidden"] = values["hidden"] * len(self.hidden)
        if len(values["rates"]) == 1:
            values["rates"] = values["rates"] * len(values["hidden"])
        return Configuration(**values)

    def without_dropout(self) -> "Configuration":
        """The same training with every rate 0."""
        return Configuration(self.hidden, (0.0,) * len(self.hidden), self.lr, self.batch, self.epochs)

    def as_json(self) -> dict[str, Any]:
        """Plain values, as a record holds them."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Configuration":
        """The configuration that `as_json` wrote."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def _several(name: str, values: Any) -> tuple[Any, ...]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ConfigurationError(
            f"expected a sequence for {name}; got {values!r}. Give, for example, a tuple."
        )
    return tuple(values)


def _size(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ConfigurationError(f"expected an integer for {name}; got {value!r}.")
    if value < 1:
        raise ConfigurationError(f"expected {name} of at least 1; got {value}. Give a positive integer.")
    return int(value)


def _real(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ConfigurationError(f"expected a number for {name}; got {value!r}.")
    try:
        return float(value)
    except OverflowError:
        return math.inf  # an integer beyond every float
