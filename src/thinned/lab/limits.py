"""What this machine can train: the memory that runs take, against the memory that there is."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from thinned.errors import ConfigurationError
from thinned.lab.configuration import EVALUATION_BATCH, Configuration
from thinned.lab.data import Data

LARGEST_LR = 2.0**24
"""A step of a unit gradient at this rate leaves no bit of a float32 weight below 1."""

LARGEST_STEPS = 2**32
"""An address holds no step beyond."""

PROCESS = 600 << 20
"""Bytes of a worker that has its libraries and no network."""

DRAWN = 160
"""Bytes for each weight of the largest layer, while its initial values are drawn."""

KEPT = 8
"""Bytes for each parameter, with its gradient."""

ACTIVE = 24
"""Bytes for each unit and example: forward, backward, and what is dropped."""

EPOCH, RECORD = 1 << 10, 8 << 10
"""Bytes for the metrics of an epoch, and for the rest of a record."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a study is.

    Args:
        configuration: what is trained.
        runs: how many of these.
        examples: for training.
        features: of an example.
        classes: how many.
        data: bytes of all examples.
        arms: how many runs a seed has.
    """

    configuration: Configuration
    runs: int
    examples: int
    features: int
    classes: int
    data: int
    arms: int = 2

    @classmethod
    def of(cls, configuration: Configuration, runs: int, data: Data, arms: int = 2) -> "Size":
        """On the given data."""
        features, held = int(data.train_x[0].size), data.train_x.nbytes + data.test_x.nbytes
        return cls(configuration, runs, len(data.train_y), features, len(data.classes), held, arms)

    def run(self) -> int:
        """Bytes that one worker takes, about."""
        asked = self.configuration
        widths = (self.features, *asked.hidden, self.classes)
        layers = [inputs * outputs for inputs, outputs in pairwise(widths)]
        examples = max(asked.batch, EVALUATION_BATCH)
        return (
            PROCESS
            + 2 * self.data
            + DRAWN * max(layers)
            + KEPT * sum(layers)
            + ACTIVE * examples * sum(asked.hidden)
            + EPOCH * asked.epochs
        )

    def study(self) -> int:
        """Bytes that the study itself takes, about: the data, and every record."""
        return PROCESS + 2 * self.data + self.runs * (RECORD + EPOCH * self.configuration.epochs)


def memory() -> float:
    """The bytes that this machine has, or those that its container may use; infinity where nobody says."""
    try:
        found = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        found = math.inf
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found = min(found, int(Path(file).read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such file, or it says "max"
            continue
    return found


def check(size: Size) -> None:
    """Refuse what cannot be trained here, and say what can.

    Raises:
        ConfigurationError: a learning rate, batch, width, or number of epochs or runs beyond what is possible.
    """
    asked = size.configuration
    if asked.lr > LARGEST_LR:
        raise ConfigurationError(
            f"expected a learning rate of at most {LARGEST_LR:.0f}; got {asked.lr:g}. A float32 has 24 bits, "
            "so a larger step would round away all that the network has learned. The chapter uses 0.5."
        )
    if asked.batch > size.examples:
        raise ConfigurationError(
            f"expected a batch of at most the {size.examples} training examples; got {asked.batch}. "
            f"Give {size.examples} to take all of them at each step."
        )
    steps = -(-size.examples // asked.batch)
    if asked.epochs * steps > LARGEST_STEPS:
        raise ConfigurationError(
            f"expected at most {LARGEST_STEPS} training steps, since an address holds no more; got "
            f"{asked.epochs} epochs of {steps}. Give at most {LARGEST_STEPS // steps} epochs."
        )
    _check_width(size)
    _check_records(size)


def at_once(size: Size, wanted: int) -> int:
    """How many of the wanted workers the memory holds at once; one at least."""
    left = memory() - size.study()
    return wanted if math.isinf(left) else max(1, min(wanted, int(left // size.run())))


def _check_width(size: Size) -> None:
    smallest = replace(size, configuration=replace(size.configuration, epochs=1), runs=1)
    if _fits(smallest):
        return
    asked = smallest.configuration
    widest = _largest(
        lambda width: _fits(
            replace(smallest, configuration=replace(asked, hidden=(width,) * len(asked.hidden)))
        )
    )
    raise ConfigurationError(
        f"expected a network that this machine's {_shown(memory())} of memory can hold; got hidden layers of "
        f"{', '.join(map(str, asked.hidden))}, which take about {_shown(smallest.run())}. "
        f"Widths up to {widest} fit, with batches of {asked.batch}."
    )


def _check_records(size: Size) -> None:
    if _fits(size):
        return
    asked = size.configuration
    pairs = _largest(lambda pairs: _fits(replace(size, runs=size.arms * pairs)))
    epochs = _largest(
        lambda epochs: _fits(replace(size, configuration=replace(asked, epochs=max(epochs, 1))))
    )
    ways = [f"{pairs} seeds"] * (pairs > 1) + [f"{epochs} epochs"] * (epochs > 0)
    raise ConfigurationError(
        f"expected curves that this machine's {_shown(memory())} of memory can hold; got {asked.epochs} epochs "
        f"of {size.runs} runs, which take about {_shown(size.study() + size.run())}. "
        f"Give at most {' or '.join(ways) or 'fewer seeds and fewer epochs'}."
    )


def _fits(size: Size) -> bool:
    return size.study() + size.run() <= memory()


def _largest(fits: Callable[[int], bool]) -> int:
    """The largest number that fits, where every smaller one does too; 0 if not even 1 does."""
    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _shown(size: float) -> str:
    return f"{size / 2**30:.3g} GiB" if size < 2**50 else "more than a million GiB"
