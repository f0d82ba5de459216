"""A trial: a pure function of (configuration, seed, data). No global generator is read or moved.

A change here that alters what a trial computes raises `provenance.TRIAL`, a part of every record's key.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from thinned import mask
from thinned.lab.configuration import EVALUATION_BATCH, Configuration
from thinned.lab.data import Data
from thinned.lab.models import mlp

Metrics = dict[str, float | int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial found.

    Args:
        status: "finished", or "diverged" where a loss stopped being finite; training ends there.
        epochs: of each finished epoch, `epoch, train_loss, train_accuracy, test_loss, test_accuracy`. The
            two for training are means over the minibatches *as they were trained on*, dropout included.
        final: `train_loss, train_accuracy, test_loss, test_accuracy, gap` of the trained network, dropout
            off, on every example; `gap` is train minus test accuracy. Empty where the trial diverged.
    """

    status: str
    epochs: list[Metrics]
    final: Metrics

    def as_json(self) -> dict[str, Any]:
        """Plain values, as a record holds them."""
        return {"status": self.status, "epochs": self.epochs, "final": self.final}


def train(
    configuration: Configuration, seed: int, data: Data, epoch_done: Callable[[int], None] = lambda _: None
) -> Outcome:
    """Train one network, on one thread.

    Two configurations that differ in their rates alone begin, for equal seeds, with the same weights and see
    the same minibatches in the same order: they are a pair.

    Args:
        configuration: the network and its training.
        seed: of the weights, the order of the examples, and the masks.
        data: what to train and to test on.
        epoch_done: called with the number of each finished epoch.

    Returns:
        Metrics by epoch and at the end. Accuracies are shares in [0, 1]; losses are mean cross-entropies in
        nats.

    Example:
        >>> from thinned.lab.data import load
        >>> quick = Configuration(hidden=(32,), rates=(0.5,), epochs=2)
        >>> outcome = train(quick, 0, load("digits"))
        >>> outcome == train(quick, 0, load("digits"))
        True
    """
    with _one_thread():
        training, test = _part(data.train_x, data.train_y), _part(data.test_x, data.test_y)
        model = mlp(training.x.shape[1], len(data.classes), configuration, seed)
        optimiser = torch.optim.SGD(model.parameters(), lr=configuration.lr)
        epochs: list[Metrics] = []
        for epoch in range(configuration.epochs):
            order = shuffled(len(training.y), seed, epoch)
            loss, accuracy = _epoch(model, optimiser, training, order, configuration.batch)
            metrics = _named("train", loss, accuracy) | _named("test", *_evaluate(model, test))
            if not all(map(math.isfinite, metrics.values())):
                return Outcome("diverged", epochs, {})
            epochs.append({"epoch": epoch + 1, **metrics})
            epoch_done(epoch + 1)
        train_loss, train_accuracy = _evaluate(model, training)
        last = epochs[-1]
        final = _named("train", train_loss, train_accuracy) | _named(
            "test", last["test_loss"], last["test_accuracy"]
        )
        return Outcome("finished", epochs, final | {"gap": train_accuracy - last["test_accuracy"]})


def shuffled(count: int, seed: int, epoch: int) -> torch.Tensor:
    """The order of the examples in an epoch: a permutation that depends on nothing else.

    Example:
        >>> sorted(shuffled(5, seed=0, epoch=0).tolist())
        [0, 1, 2, 3, 4]
    """
    draws = mask.normal((count,), seed=seed, site="shuffle", step=epoch)
    return torch.from_numpy(np.argsort(draws, kind="stable"))


@dataclass(frozen=True, slots=True)
class _Part:
    x: torch.Tensor
    y: torch.Tensor


def _part(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> _Part:
    return _Part(torch.from_numpy(x.reshape(len(x), -1)), torch.from_numpy(y))


def _epoch(
    model: nn.Module, optimiser: torch.optim.Optimizer, part: _Part, order: torch.Tensor, batch: int
) -> tuple[float, float]:
    """One pass; the mean loss and accuracy over its examples, as they were trained on."""
    model.train()
    # Summed in tensors and read once: `.item()` at each step would cost more than the sums.
    loss_sum = torch.zeros((), dtype=torch.float64)
    right = torch.zeros((), dtype=torch.int64)
    for index in torch.split(order, batch):
        target = part.y[index]
        logits = model(part.x[index])
        loss = nn.functional.cross_entropy(logits, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss_sum += loss.detach() * len(index)
        right += (logits.detach().argmax(1) == target).sum()
    return loss_sum.item() / len(order), right.item() / len(order)


@torch.inference_mode()
def _evaluate(model: nn.Module, part: _Part) -> tuple[float, float]:
    """Mean loss and accuracy with dropout off."""
    model.eval()
    loss_sum, right = 0.0, 0
    for x, y in zip(*(torch.split(each, EVALUATION_BATCH) for each in (part.x, part.y)), strict=True):
        logits = model(x)
        loss_sum += nn.functional.cross_entropy(logits, y, reduction="sum").item()
        right += int((logits.argmax(1) == y).sum())
    return loss_sum / len(part.y), right / len(part.y)


def _named(prefix: str, loss: float, accuracy: float) -> Metrics:
    return {f"{prefix}_loss": loss, f"{prefix}_accuracy": accuracy}


@contextmanager
def _one_thread() -> Iterator[None]:
    # Threads split sums, so their number would change the last bits; trials share a machine as processes.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
