"""What a trial trains: the network, the optimiser, and how long; plain values that a record can hold."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any

from thinned.errors import ConfigurationError
from thinned.lab.measures import MEASURES
from thinned.lab.methods import METHODS, MODELS
from thinned.mask import threshold

EVALUATION_BATCH = 4096
"""Examples evaluated at once: their activations stay in a few megabytes."""

PLACEMENTS = ("after", "before")
NORMALISATIONS = ("none", "batch-before", "batch-after", "layer-before", "layer-after")
OPTIMISERS = ("sgd", "adam")
ACTIVATIONS = ("relu", "tanh")

ALWAYS = ("hidden", "rates", "lr", "batch", "epochs")
"""What a record's configuration names even at its default; everything else is left out there, so that a new
setting changes the key of no earlier record."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One network and its training; the defaults are the textbook chapter's.

    Args:
        hidden: units of each hidden layer.
        rates: strength of the method at each hidden layer: the probability of dropping, or what the method has
            in its place (`thinned.lab.methods`); 0 leaves the layer out.
        lr: learning rate.
        batch: examples in a minibatch; the last one of an epoch may be smaller.
        epochs: passes over the training examples.
        method: what is done at the hidden layers, by its name in `thinned.catalogue()`.
        method_args: more arguments of that layer, by name; plain values.
        placement: "after" the activation or "before" it; of weights, those that read the hidden layer or those
            that make it.
        input_rate: probability of dropping an input, by plain dropout.
        normalisation: "batch-before" and "layer-before" normalise between the linear layer and its activation,
            and so before dropout; "batch-after" and "layer-after" after both.
        weight_decay: of the matrices, not of the biases: `weight_decay * w` is added to the gradient of `w`.
        optimiser: "sgd", plain, or "adam".
        activation: of the hidden layers, "relu" or "tanh".
        train_examples: how many of the training examples are used: the first of a permutation that depends on
            the seed alone, so that smaller subsets lie in larger ones; None uses all.
        validation: the share of the used training examples that is split off. Then the network is trained on
            the rest and measured on these, and the test examples are not looked at.
        random_labels: share of the training labels that are replaced by uniform draws from all classes.
        input_noise: standard deviation of the normal noise that is added to each input in training.
        tikhonov: standard deviation of the input noise whose effect on the loss, to second order, is added to it
            as a penalty (`thinned.lab.tikhonov`).
        model: the network, by its name in `thinned.lab.methods.MODELS`.
        measures: what else is measured, by names in `thinned.lab.measures.MEASURES`.

    Raises:
        ConfigurationError: a size that is not a positive integer, a learning rate that is not positive and
            finite, as many rates as there are not hidden layers, or a name that is none of those possible.
        RateError: a probability of dropping that no mask stands for.

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
    method: str = "Dropout"
    method_args: Any = ()
    placement: str = "after"
    input_rate: float = 0.0
    normalisation: str = "none"
    weight_decay: float = 0.0
    optimiser: str = "sgd"
    activation: str = "relu"
    train_examples: int | None = None
    validation: float = 0.0
    random_labels: float = 0.0
    input_noise: float = 0.0
    tikhonov: float = 0.0
    model: str = "mlp"
    measures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._make_plain()
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
        self._check_names()
        self._check_ranges()

    def _make_plain(self) -> None:
        """The values as the types that they are declared as, whatever they came as."""
        hidden = tuple(_size("width", width) for width in _several("hidden", self.hidden))
        plain: dict[str, Any] = {
            "hidden": hidden,
            "rates": tuple(_real("rate", r) for r in _several("rates", self.rates)),
            "lr": _real("learning rate", self.lr),
            "batch": _size("batch", self.batch),
            "epochs": _size("epochs", self.epochs),
            "method_args": _arguments(self.method_args),
            "measures": tuple(map(str, _several("measures", self.measures))),
        }
        for name in ("input_rate", "weight_decay", "validation", "random_labels", "input_noise", "tikhonov"):
            plain[name] = _real(name, getattr(self, name))
        if self.train_examples is not None:
            plain["train_examples"] = _size("train_examples", self.train_examples)
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    def _check_names(self) -> None:
        possible: dict[str, Iterable[str]] = {
            "method": METHODS,
            "placement": PLACEMENTS,
            "normalisation": NORMALISATIONS,
            "optimiser": OPTIMISERS,
            "activation": ACTIVATIONS,
            "model": MODELS,
            "measures": MEASURES,
        }
        for setting, names in possible.items():
            given = getattr(self, setting)
            for name in given if setting == "measures" else (given,):
                if not isinstance(name, str) or name not in names:
                    raise ConfigurationError(
                        f"expected for {setting} a name from {', '.join(names) or 'an empty list'}; got {name!r}."
                    )

    def _check_ranges(self) -> None:
        for rate in self.rates:
            METHODS[self.method].check(rate)
        threshold(self.input_rate)
        for name in ("weight_decay", "input_noise", "tikhonov"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigurationError(
                    f"expected {name} of 0 or more, and finite; got {getattr(self, name)}."
                )
        if self.tikhonov and (METHODS[self.method].kind == "loss" or self.method == "ConcreteDropout"):
            raise ConfigurationError(
                f"expected a method that leaves the loss alone beside tikhonov; got {self.method}. Use either."
            )
        if self.tikhonov and self.normalisation.startswith("batch"):
            raise ConfigurationError(
                f"expected examples that do not meet in the network beside tikhonov; got normalisation "
                f"{self.normalisation}. Use layer normalisation, or none."
            )
        if not 0 <= self.random_labels <= 1:
            raise ConfigurationError(f"expected random_labels in [0, 1]; got {self.random_labels}.")
        if not 0 <= self.validation < 1:
            raise ConfigurationError(
                f"expected validation, a share, in [0, 1); got {self.validation}. A fifth is usual: 0.2."
            )

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
        """The same training with no method at any layer: every rate 0.

        A method that is not used is not named, so that all methods share the networks without any.
        """
        return replace(
            self,
            rates=(0.0,) * len(self.hidden),
            input_rate=0.0,
            method="Dropout",
            method_args=(),
            placement="after",
        )

    @property
    def held_out(self) -> str:
        """What the network is measured on: "test", or "validation" where such a part is split off."""
        return "validation" if self.validation else "test"

    def as_json(self) -> dict[str, Any]:
        """Plain values, as a record holds them; see `ALWAYS`."""
        found = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ALWAYS or value != field.default:
                found[field.name] = dict(value) if field.name == "method_args" else value
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Configuration":
        """The configuration that `as_json` wrote.

        Raises:
            ConfigurationError: a setting that this version does not know, or what the constructor refuses.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigurationError(
                f"expected settings from {', '.join(sorted(known))}; got {', '.join(unknown)}."
            )
        return cls(**values)


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


def _arguments(given: Any) -> tuple[tuple[str, Any], ...]:
    """Arguments by name as sorted pairs, so that a configuration can be compared and hashed."""
    try:
        pairs = sorted(dict(given).items())
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"expected a mapping of names to values for method_args; got {given!r}."
        ) from None
    for name, value in pairs:
        if not isinstance(name, str) or not (value is None or isinstance(value, str | int | float | bool)):
            raise ConfigurationError(
                f"expected names and plain values for method_args; got {name!r}: {value!r}."
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigurationError(f"expected a finite number for {name} in method_args; got {value}.")
    return tuple(pairs)
