"""Which trials can be trained as one program, and how many at once."""

from collections.abc import Hashable, Sequence
from dataclasses import fields, replace
from typing import Any

from thinned.errors import ConfigurationError
from thinned.lab.configuration import Configuration
from thinned.lab.stacked.networks import Trial

KNOWN = (
    "hidden", "rates", "lr", "batch", "epochs", "weight_decay", "optimiser", "train_examples", "validation",
    "random_labels",
)  # fmt: skip
"""Settings that a program for many networks knows; it takes all others at their defaults alone."""


def stackable(configuration: Configuration) -> bool:
    """Whether a trial can be trained together with others: a perceptron with plain dropout, or with none.

    Example:
        >>> stackable(Configuration()), stackable(Configuration(normalisation="batch-before"))
        (True, False)
    """
    return not _unknown(configuration)


def _unknown(configuration: Configuration) -> list[str]:
    """Settings away from their defaults that no program for many networks knows."""
    return [
        each.name
        for each in fields(configuration)
        if each.name not in KNOWN and getattr(configuration, each.name) != each.default
    ]


def shape_of(first: Trial, *others: Trial) -> Hashable:
    """What trials must have in common to be trained together; everything else may differ.

    Raises:
        ConfigurationError: trials of different shapes, or of one that cannot be stacked.
    """
    for configuration, _ in (first, *others):
        unknown = _unknown(configuration)
        if unknown:
            raise ConfigurationError(
                f"expected trials that can be stacked, away from the default in {', '.join(KNOWN)} alone; got another "
                f"{', '.join(unknown)}. Train it alone."
            )
    shape = _shape(first[0])
    for configuration, _ in others:
        if _shape(configuration) != shape:
            raise ConfigurationError(
                f"expected trials of one shape; got {first[0]} and {configuration}. Group them by `cohorts`."
            )
    return shape


def cohorts(trials: Sequence[Trial], largest: int) -> list[list[int]]:
    """Trials of one shape together, at most so many; those that cannot be stacked alone.

    Args:
        trials: configurations and seeds.
        largest: how many trials make a program.

    Returns:
        The numbers of the trials, each in one cohort, in the order of their first.

    Example:
        >>> trials = [(Configuration(epochs=epochs), seed) for seed in range(3) for epochs in (1, 2)]
        >>> cohorts(trials, 2)
        [[0, 2], [1, 3], [4], [5]]
    """
    found: list[list[int]] = []
    open_one: dict[Hashable, list[int]] = {}
    for number, (configuration, _) in enumerate(trials):
        shape = _shape(configuration) if stackable(configuration) else None
        cohort = open_one.get(shape)
        if shape is None or cohort is None or len(cohort) == largest:
            cohort = []
            found.append(cohort)
            open_one[shape] = cohort
        cohort.append(number)
    return found


def _shape(configuration: Configuration) -> Configuration:
    """The configuration without what may differ."""
    free: dict[str, Any] = {"rates": (0.0,) * len(configuration.hidden), "random_labels": 0.0}
    if configuration.optimiser == "sgd":
        free |= {"lr": 1.0, "weight_decay": 0.0}
    return replace(configuration, **free)
