"""What the networks of a cohort train on and are measured on: one table on the device, and who reads which rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thinned.lab.data import Data
from thinned.lab.stacked.cohorts import Trial
from thinned.lab.training import prepare


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Examples of every network.

    Args:
        table: axes (row, feature).
        rows: int64, axes (set, example): the rows of each set; None where all sets are the whole table, in order.
        y: int64, axes (set, example).
        sets: which set each network has, int64 (network,).
    """

    table: Tensor
    rows: Tensor | None
    y: Tensor
    sets: Tensor

    @property
    def count(self) -> int:
        """Examples of a network."""
        return self.y.shape[1]

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs (network, example, feature) and labels (network, example) at positions (network, example)."""
        sets = self.sets[:, None]
        rows = index if self.rows is None else self.rows[sets, index]
        return self.table[rows], self.y[sets, index]

    def stretch(self, start: int, end: int) -> tuple[Tensor, Tensor]:
        """Consecutive examples; inputs without the axis of networks where all have the same."""
        x = self.table[start:end] if self.rows is None else self.table[self.rows[self.sets, start:end]]
        return x, self.y[self.sets, start:end]


def parts(trials: Sequence[Trial], data: Data, device: torch.device, dtype: torch.dtype) -> tuple[Part, Part]:
    """What these trials are trained on, and what they are measured on.

    Raises:
        ConfigurationError: as `thinned.lab.training.prepare`.
    """
    keys = [_choice(trial) for trial in trials]
    firsts = dict(zip(keys, trials, strict=True))  # any trial of a key will do
    distinct = list(firsts)
    sets = torch.tensor([distinct.index(key) for key in keys], device=device)
    # Rows are chosen as examples are: from a table whose examples are their own numbers.
    numbers: Any = np.arange(len(data.train_y))[:, None]
    table = replace(data, train_x=numbers)
    found = [prepare(configuration, seed, table) for configuration, seed in firsts.values()]
    x = _table(data.train_x, device, dtype)
    whole = trials[0][0].train_examples is None and not trials[0][0].validation
    y = torch.stack([each.train_y for each in found]).to(device)
    rows = None if whole else torch.stack([each.train_x[:, 0] for each in found]).to(device)
    training = Part(x, rows, y, sets)
    if trials[0][0].validation:
        held = torch.stack([each.test_x[:, 0] for each in found]).to(device)
        return training, Part(x, held, torch.stack([each.test_y for each in found]).to(device), sets)
    test_y = torch.from_numpy(data.test_y).to(device)[None]
    return training, Part(_table(data.test_x, device, dtype), None, test_y, torch.zeros_like(sets))


def _choice(trial: Trial) -> tuple[object, ...]:
    """Equal where two trials have the same examples."""
    configuration, seed = trial
    how = configuration.train_examples, configuration.validation, configuration.random_labels
    return () if how == (None, 0, 0) else (*how, seed)


def _table(x: "np.ndarray[Any, Any]", device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(x.reshape(len(x), -1)).to(device, dtype)
