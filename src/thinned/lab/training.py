"""A trial: a pure function of (configuration, seed, data). No global generator is read or moved.

A change here that alters what a trial computes raises `provenance.TRIAL`, a part of every record's key.
"""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from thinned import mask
from thinned.errors import ConfigurationError
from thinned.lab.configuration import EVALUATION_BATCH, Configuration
from thinned.lab.data import Data
from thinned.lab.measures import MEASURES, Context, Examples, measuring
from thinned.lab.models import Network, network

Metrics = dict[str, float | int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial found.

    Args:
        status: "finished", or "diverged" where a loss stopped being finite; training ends there.
        epochs: of each finished epoch, `epoch, train_loss, train_accuracy, test_loss, test_accuracy`, and what
            was measured beside. The two for training are means over the minibatches *as they were trained on*,
            dropout included.
        final: `train_loss, train_accuracy, test_loss, test_accuracy, gap` of the trained network, dropout
            off, on every example, and what was measured beside; `gap` is train minus test accuracy. Empty where
            the trial diverged. Where a validation part is split off, it stands for the test, under the names
            `validation_loss` and `validation_accuracy`.
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
    with one_thread():
        examples = prepare(configuration, seed, data)
        built = network(examples.shape, examples.classes, configuration, seed)
        optimiser = _optimiser(built.module, configuration)
        epochs: list[Metrics] = []
        for epoch in range(configuration.epochs):
            order = shuffled(len(examples.train_y), seed, epoch)
            loss, accuracy = _epoch(built, optimiser, examples, order, configuration.batch)
            held_out = _evaluate(built.module, examples.test_x, examples.test_y)
            metrics = _named("train", loss, accuracy) | _named(configuration.held_out, *held_out)
            if not all(map(math.isfinite, metrics.values())):
                return Outcome("diverged", epochs, {})
            more = _measured(built.module, examples, Context(configuration, seed, epoch + 1, last=False))
            epochs.append({"epoch": epoch + 1, **metrics, **more})
            epoch_done(epoch + 1)
        train = _evaluate(built.module, examples.train_x, examples.train_y)
        if not all(map(math.isfinite, train)):
            return Outcome("diverged", epochs[:-1], {})
        final = _named("train", *train) | _named(configuration.held_out, *held_out)
        final |= {"gap": train[1] - held_out[1]}
        context = Context(configuration, seed, configuration.epochs, last=True)
        return Outcome("finished", epochs, final | _measured(built.module, examples, context))


def prepare(configuration: Configuration, seed: int, data: Data) -> Examples:
    """What a trial trains on and what it is measured on: the chosen subset, split and relabelled.

    The order that subsets are taken from, the split and the false labels depend on the seed alone, so the arms of
    a seed share them, and a smaller subset lies in a larger one.

    Raises:
        ConfigurationError: more examples than there are, or a validation share that leaves a part empty.
    """
    x, y = _tensors(data.train_x, data.train_y)
    test_x, test_y = _tensors(data.test_x, data.test_y)
    if configuration.train_examples is not None:
        _check_count(configuration.train_examples, len(y))
        chosen = _permutation(len(y), seed, "subset")[: configuration.train_examples]
        x, y = x[chosen], y[chosen]
    if configuration.validation:
        order = _permutation(len(y), seed, "validation")
        held_out = round(len(y) * configuration.validation)
        if not 0 < held_out < len(y):
            raise ConfigurationError(
                f"expected a validation share that leaves examples in both parts; got {configuration.validation} "
                f"of {len(y)}. Give another share, or more examples."
            )
        test_x, test_y = x[order[:held_out]], y[order[:held_out]]
        x, y = x[order[held_out:]], y[order[held_out:]]
    if configuration.random_labels:
        y = _relabelled(y, len(data.classes), configuration.random_labels, seed)
    return Examples(x, y, test_x, test_y, len(data.classes), data.train_x.shape[1:])


def _check_count(wanted: int, found: int) -> None:
    if wanted > found:
        raise ConfigurationError(
            f"expected train_examples of at most the {found} that there are; got {wanted}. Leave it out to "
            "take all."
        )


def _relabelled(y: torch.Tensor, classes: int, share: float, seed: int) -> torch.Tensor:
    """Some labels replaced by uniform ones, which may be the true ones again; axes (example,)."""
    replaced = mask.uniform((len(y),), seed=seed, site="labels.which") < share
    drawn = np.floor(mask.uniform((len(y),), seed=seed, site="labels.what") * classes).astype(np.int64)
    return torch.where(torch.from_numpy(replaced), torch.from_numpy(drawn), y)


def shuffled(count: int, seed: int, epoch: int) -> torch.Tensor:
    """The order of the examples in an epoch: a permutation that depends on nothing else.

    Example:
        >>> sorted(shuffled(5, seed=0, epoch=0).tolist())
        [0, 1, 2, 3, 4]
    """
    return _permutation(count, seed, "shuffle", epoch)


def _permutation(count: int, seed: int, site: str, step: int = 0) -> torch.Tensor:
    draws = mask.normal((count,), seed=seed, site=site, step=step)
    return torch.from_numpy(np.argsort(draws, kind="stable"))


def _tensors(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(x.reshape(len(x), -1)), torch.from_numpy(y)


def _optimiser(model: nn.Module, configuration: Configuration) -> torch.optim.Optimizer:
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[configuration.optimiser]
    parameters: Any = model.parameters()
    if configuration.weight_decay:
        matrices = [each for each in model.parameters() if each.dim() > 1]
        others = [each for each in model.parameters() if each.dim() <= 1]
        decay = {"params": matrices, "weight_decay": configuration.weight_decay}
        parameters = [decay, {"params": others}] if others else [decay]
    made: torch.optim.Optimizer = kind(parameters, lr=configuration.lr)
    return made


def _epoch(
    built: Network, optimiser: torch.optim.Optimizer, examples: Examples, order: torch.Tensor, batch: int
) -> tuple[float, float]:
    """One pass; the mean loss and accuracy over its examples, as they were trained on."""
    model, all_x, all_y = built.module.train(), examples.train_x, examples.train_y
    # Summed in tensors and read once: `.item()` at each step would cost more than the sums.
    loss_sum = torch.zeros((), dtype=torch.float64)
    right = torch.zeros((), dtype=torch.int64)
    for index in torch.split(order, batch):
        target = all_y[index]
        if built.loss is None:
            logits = model(all_x[index])
            loss = nn.functional.cross_entropy(logits, target)
        else:
            loss, logits = built.loss(model, all_x[index], target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if built.after_step is not None:
            built.after_step()
        loss_sum += loss.detach() * len(index)
        right += (logits.detach().argmax(1) == target).sum()
    return loss_sum.item() / len(order), right.item() / len(order)


@torch.inference_mode()
def _evaluate(model: nn.Module, all_x: torch.Tensor, all_y: torch.Tensor) -> tuple[float, float]:
    """Mean loss and accuracy with dropout off."""
    model.eval()
    loss_sum, right = 0.0, 0
    for x, y in zip(*(torch.split(each, EVALUATION_BATCH) for each in (all_x, all_y)), strict=True):
        logits = model(x)
        loss_sum += nn.functional.cross_entropy(logits, y, reduction="sum").item()
        right += int((logits.argmax(1) == y).sum())
    return loss_sum / len(all_y), right / len(all_y)


def _measured(model: nn.Module, examples: Examples, context: Context) -> Metrics:
    """What the configuration's measures find at this moment, of copies of the network.

    Raises:
        ValueError: a measure that finds a number that is not finite, or what another has found already.
    """
    found: Metrics = {}
    for name in context.configuration.measures:
        when = MEASURES[name].when
        if when == "both" or (when == "end") == context.last:
            results = measuring(name)(copy.deepcopy(model).eval(), examples, context)
            wrong = [key for key, value in results.items() if not math.isfinite(value) or key in found]
            if wrong:
                raise ValueError(
                    f"expected finite numbers under names of its own from measure {name!r}; got {wrong[0]} = "
                    f"{results[wrong[0]]} after epoch {context.epoch}."
                )
            found |= {key: float(value) for key, value in results.items()}
    return found


def _named(prefix: str, loss: float, accuracy: float) -> Metrics:
    return {f"{prefix}_loss": loss, f"{prefix}_accuracy": accuracy}


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it, PyTorch computes on one thread.

    Threads split sums, so their number would change the last bits; trials share a machine as processes.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
