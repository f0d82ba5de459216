"""Which trials can be trained as one program."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import fields, replace
from typing import Any

from thinned.errors import ConfigurationError
from thinned.lab.configuration import Configuration

Trial = tuple[Configuration, int]
"""A configuration and a seed."""

_KNOWN = (
    "hidden", "rates", "lr", "batch", "epochs", "method", "method_args", "placement", "input_rate", "normalisation",
    "weight_decay", "optimiser", "activation", "train_examples", "validation", "random_labels", "input_noise",
)  # fmt: skip
"""Settings that a program for many networks knows; it takes all others at their defaults alone."""

METHODS: dict[str, tuple[tuple[str, Any], ...] | None] = {
    **dict.fromkeys(("Dropout", "StochasticReLU", "Dropout1d", "AlphaDropout", "FeatureAlphaDropout"), ()),
    **dict.fromkeys(("GaussianDropout", "UniformDropout", "GaussianNoise", "BatchDropout", "max_norm"), ()),
    "DropConnectLinear": (("per", "batch"),),
    "r_drop": None,
}
"""The methods that it knows, and with which arguments; None for any."""


def stackable(configuration: object) -> bool:
    """Whether a trial can be trained together with others.

    Example:
        >>> stackable(Configuration()), stackable(Configuration(measures=("co_adaptation",)))
        (True, False)
    """
    return isinstance(configuration, Configuration) and not _unknown(configuration)


def _unknown(configuration: Configuration) -> list[str]:
    """What no program for many networks knows."""
    found = [
        f"{each.name}={getattr(configuration, each.name)!r}"
        for each in fields(configuration)
        if each.name not in _KNOWN and getattr(configuration, each.name) != each.default
    ]
    if configuration.method not in METHODS:
        found.append(f"method={configuration.method!r}")
    elif METHODS[configuration.method] not in {None, configuration.method_args}:
        found.append(f"method_args={dict(configuration.method_args)!r}")
    return found


def shape_of(first: Trial, *others: Trial) -> Hashable:
    """What trials must have in common to be trained together; everything else may differ.

    Raises:
        ConfigurationError: trials of different shapes, or of one that cannot be stacked.
    """
    for configuration, _ in (first, *others):
        unknown = _unknown(configuration)
        if unknown:
            raise ConfigurationError(
                f"expected trials that can be stacked; got one with {', '.join(unknown)}. Train it alone."
            )
    shape = _shape(first[0])
    for configuration, _ in others:
        if _shape(configuration) != shape:
            raise ConfigurationError(
                f"expected trials of one shape; got {first[0]} and {configuration}. Group them by `groups`."
            )
    return shape


def groups(
    configurations: Sequence[Configuration], largest: Callable[[Configuration, int], int]
) -> list[list[int]]:
    """Trials of one shape together, in groups of nearly one size.

    Args:
        configurations: of trials that can be stacked.
        largest: from one configuration of a shape, and how many trials have that shape, to how many of them a group
            may have.

    Returns:
        The numbers of the trials, each in one group.

    Example:
        >>> groups([Configuration(epochs=epochs) for epochs in (1, 2, 1, 1)], lambda shape, count: 2)
        [[0, 2], [3], [1]]
    """
    of_shape: dict[Hashable, list[int]] = {}
    for number, configuration in enumerate(configurations):
        of_shape.setdefault(_shape(configuration), []).append(number)
    found = []
    for numbers in of_shape.values():
        parts = -(-len(numbers) // largest(configurations[numbers[0]], len(numbers)))
        size = -(-len(numbers) // parts)
        found += [numbers[start : start + size] for start in range(0, len(numbers), size)]
    return found


def _shape(configuration: Configuration) -> Configuration:
    """The configuration without what may differ."""
    free: dict[str, Any] = {
        "rates": (0.0,) * len(configuration.hidden), "random_labels": 0.0, "input_rate": 0.0, "input_noise": 0.0,
    }  # fmt: skip
    if configuration.optimiser == "sgd":
        free |= {"lr": 1.0, "weight_decay": 0.0}
    return replace(configuration, **free)
