"""Choosing a strength without looking at the test set: the first stage of studies in two.

The best of several is the best by its luck too. So nothing that chooses also judges: strengths are chosen on a
validation part of the training examples, at seeds of their own, and judged on the test examples at fresh seeds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from thinned.lab.comparison import Metric
from thinned.lab.configuration import Configuration
from thinned.lab.contrasts import runs_of
from thinned.lab.records import Record
from thinned.lab.wording import seeds_of

VALIDATION = 0.2
"""Of the training examples: what is chosen on."""

VALIDATION_ACCURACY = Metric("validation_accuracy", "validation accuracy", "percentage points", 100, 2, 1)
VALIDATION_LOSS = Metric("validation_loss", "validation loss", "nats", 1, 4, -1)

PREFIX = "tuning "

Choice = TypeVar("Choice")


def tuning(arm: str) -> str:
    """The name of an arm of the first stage.

    Example:
        >>> tuning("dropout at 0.5")
        'tuning dropout at 0.5'
    """
    return PREFIX + arm


def split(arms: Mapping[str, Configuration]) -> dict[str, Configuration]:
    """The same arms in the first stage: trained on four fifths of the examples, measured on the last fifth."""
    return {tuning(arm): replace(each, validation=VALIDATION) for arm, each in arms.items()}


def stages(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """The records of the first stage, and those of the second."""
    first = [record for record in records if record.arm.startswith(PREFIX)]
    return first, [record for record in records if not record.arm.startswith(PREFIX)]


def best(records: Sequence[Record], arms: Mapping[Choice, str]) -> Choice | None:
    """The choice with the best mean validation accuracy; the mean validation loss decides between equals.

    A choice at which a run diverged, or is missing, is not taken.

    Args:
        records: of the first stage.
        arms: of each choice, the name of its arm in the second stage.

    Returns:
        One of the choices; None where no run of any is there.
    """
    first, _ = stages(records)
    accuracy, loss = (runs_of(first, metric) for metric in (VALIDATION_ACCURACY, VALIDATION_LOSS))
    seeds = seeds_of(first)
    whole = [choice for choice, arm in arms.items() if len(accuracy.get(tuning(arm), ())) == seeds > 0]
    if not whole:
        return None

    def quality(choice: Choice) -> tuple[float, float]:
        arm = tuning(arms[choice])
        return _mean(accuracy[arm]), -_mean(loss[arm])

    return max(whole, key=quality)


def _mean(runs: Mapping[int, float]) -> float:
    return math.fsum(runs.values()) / len(runs)
