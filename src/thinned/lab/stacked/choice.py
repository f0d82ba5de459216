"""Which trials of a study are stacked: all that can be on a GPU, and on a processor those that it makes faster."""

import importlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

from thinned.errors import ConfigurationError
from thinned.lab.configuration import Configuration
from thinned.lab.pool import Cohort
from thinned.lab.stacked.cohorts import groups, stackable

How: TypeAlias = Literal["auto", "never", "always"]

HOWS = ("auto", "never", "always")
DEVICES = ("cpu", "cuda")

SMALL = 3e7
"""Operations of a step below which its overhead is what takes a processor's time, and stacking saves it."""

ON_CPU = 16
"""Networks in a cohort on a processor: more are no faster, and their activations leave its caches."""

LONGEST_S, LONGEST_RUNS = 30.0, 2.0
"""A cohort ends all at once, and whoever kills it loses all of it: on a processor at most so many seconds, or so
many times what one of its runs takes alone, where that is more. With twice the time most of the gain is kept."""

STEP_S, EACH_S, PER_S = 6e-4, 1e-4, 1.2e10
"""What a step takes on one processor, about: so long, so long for each network, and so many operations a second.
Measured on an AMD EPYC of 2.4 GHz for cohorts of 1 to 16; within a factor of 2 there."""

ON_GPU = 1024
"""Networks in a cohort on a GPU at most: enough to fill it, and few enough that little is lost where it ends."""

LONGEST = 2.4e15
"""Operations of a cohort on a GPU at most, for the same reason: about a minute."""

ROOM = 0.4
"""The share of a GPU's free memory that a cohort may take: `thinned.lab.pool.ON_DEVICE` of them share it."""


def check_choice(how: str, device: str) -> None:
    """Refuse what cannot be chosen.

    Raises:
        ConfigurationError: another word, a GPU without stacking, or one that is not there.
    """
    if how not in HOWS:
        raise ConfigurationError(f"expected stacked to be one of {', '.join(HOWS)}; got {how!r}.")
    if device not in DEVICES:
        raise ConfigurationError(f"expected a device from {', '.join(DEVICES)}; got {device!r}.")
    if device != "cpu" and how == "never":
        raise ConfigurationError(
            f"expected stacked trials on {device}, where one alone would leave it idle; got stacked='never'. Leave "
            "it out, or train on the processor."
        )
    if device == "cuda" and not importlib.import_module("torch").cuda.is_available():
        raise ConfigurationError(
            "expected a GPU that PyTorch can use; got none. Leave the device out to train on the processor."
        )


def arrange(
    configurations: Sequence[Configuration],
    how: How,
    device: str,
    *,
    examples: int,
    features: int,
    classes: int,
    jobs: int,
) -> list[Cohort]:
    """The trials of a study as cohorts, in the order of their first.

    Args:
        configurations: of each trial.
        how: "auto" stacks what is faster so, "always" all that can be, "never" none.
        device: "cpu" or "cuda".
        examples: for training.
        features: of an example.
        classes: how many.
        jobs: how many workers there are; on a processor each gets a share.
    """

    def largest(shape: Configuration, count: int) -> int:
        if device == "cpu":
            return max(1, min(ON_CPU, -(-count // jobs), _in_time(shape, examples, features, classes)))
        work = 6 * _parameters(shape, features, classes) * min(shape.train_examples or examples, examples)
        return max(
            1, min(ON_GPU, int(LONGEST / (work * shape.epochs)), _room(shape, features, classes, device))
        )

    def chosen(configuration: Configuration) -> bool:
        if how == "never" or not stackable(configuration):
            return False
        work = 6 * _parameters(configuration, features, classes) * configuration.batch
        return device != "cpu" or how == "always" or work < SMALL

    together = [number for number, each in enumerate(configurations) if chosen(each)]
    found = [
        Cohort(tuple(together[place] for place in group), device)
        for group in groups([configurations[number] for number in together], largest)
    ]
    if device == "cpu" and how == "auto":  # of one network alone, a cohort is slower
        found = [each for each in found if len(each.members) > 1]
    taken = {number for each in found for number in each.members}
    alone = [Cohort((number,)) for number in range(len(configurations)) if number not in taken]
    return sorted([*found, *alone], key=lambda cohort: cohort.members)


def _in_time(configuration: Configuration, examples: int, features: int, classes: int) -> int:
    """How many networks a processor trains together in the time that a cohort may take."""
    steps = configuration.epochs * -(
        -min(configuration.train_examples or examples, examples) // configuration.batch
    )
    each = EACH_S + 6 * _parameters(configuration, features, classes) * configuration.batch / PER_S
    longest = max(LONGEST_S / steps, LONGEST_RUNS * (STEP_S + each))
    return int((longest - STEP_S) / each)


def _parameters(configuration: Configuration, features: int, classes: int) -> int:
    return sum(a * b for a, b in pairwise((features, *configuration.hidden, classes)))


def _room(configuration: Configuration, features: int, classes: int, device: str) -> int:
    """How many networks the device's memory holds: parameters and gradients, twice; activations and gradients."""
    free, _ = importlib.import_module("torch").cuda.mem_get_info(device)
    active = configuration.batch * (features + 8 * sum(configuration.hidden))
    moments = 6 if configuration.optimiser == "adam" else 4
    return max(1, int(ROOM * free / 4 / (moments * _parameters(configuration, features, classes) + active)))
