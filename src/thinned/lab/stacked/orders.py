"""The order in which each network sees its examples, made ahead on threads while the device is busy."""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from thinned.lab.training import shuffled

_AHEAD = 2
"""Epochs whose orders wait."""


def threads_beside(device: torch.device) -> int:
    """How many threads may draw on the processor: one where it trains too, several where a device does."""
    return 1 if device.type == "cpu" else min(8, os.cpu_count() or 1)


class Orders:
    """Permutations of the training examples, epoch by epoch; equal seeds share theirs.

    Args:
        seeds: of the networks.
        count: how many examples.
        epochs: how many.
        device: where the orders are used.
    """

    def __init__(self, seeds: Sequence[int], count: int, epochs: int, device: torch.device) -> None:
        self._distinct = list(dict.fromkeys(seeds))
        places = {seed: place for place, seed in enumerate(self._distinct)}
        self._places = torch.tensor([places[seed] for seed in seeds], device=device)
        self._count, self._epochs, self._device = count, epochs, device
        self._pool = ThreadPoolExecutor(threads_beside(device))
        self._waiting: dict[int, list[Future[Tensor]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def of(self, epoch: int) -> Tensor:
        """Axes (network, place in the epoch): int64."""
        for each in range(epoch, min(epoch + _AHEAD, self._epochs)):
            if each not in self._waiting:
                self._waiting[each] = [
                    self._pool.submit(shuffled, self._count, seed, each) for seed in self._distinct
                ]
        table = torch.stack([future.result() for future in self._waiting.pop(epoch)]).to(self._device)
        return table[self._places]
