"""Trials of one shape trained as one program: every sum in it is a sum of one trial, in another order than alone.

A stacked trial has the masks, the minibatches, the initial weights and the updates of the trial alone; only matrix
products round differently, so its figures agree with those alone to a float tolerance and not to the last bit.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from thinned.lab.configuration import EVALUATION_BATCH, Configuration
from thinned.lab.data import Data
from thinned.lab.stacked.cohorts import Trial, shape_of
from thinned.lab.stacked.examples import Part, parts
from thinned.lab.stacked.networks import Networks
from thinned.lab.stacked.orders import Orders
from thinned.lab.stacked.steps import optimiser
from thinned.lab.training import Metrics, Outcome

LARGEST = 1 << 28
"""Numbers in the activations of one layer while networks are evaluated: a gigabyte."""


def train_stacked(
    trials: Sequence[Trial],
    data: Data,
    device: str | torch.device = "cpu",
    epoch_done: Callable[[int, int], None] = lambda _, __: None,
    *,
    dtype: torch.dtype = torch.float32,
) -> list[Outcome]:
    """Train networks of one shape at once.

    Args:
        trials: configurations and seeds; see `stackable` and `shape_of`.
        data: what to train and to test on.
        device: "cpu", "cuda", ....
        epoch_done: called with the number of a trial and of the epoch that it has finished.
        dtype: of parameters and activations; float32 is what a trial alone has.

    Returns:
        The outcome of each trial: that of `thinned.lab.training.train` up to rounding.

    Raises:
        ConfigurationError: trials of different shapes, or of one that cannot be stacked.

    Example:
        >>> from thinned.lab.configuration import Configuration
        >>> from thinned.lab.data import load
        >>> trials = [(Configuration((32,), (rate,), epochs=1), seed) for rate in (0, 0.5) for seed in (0, 1)]
        >>> [outcome.status for outcome in train_stacked(trials, load("digits"))]
        ['finished', 'finished', 'finished', 'finished']
    """
    _ = shape_of(*trials)
    with _exact():
        return _Cohort(trials, data, torch.device(device), dtype).outcomes(epoch_done)


class _Cohort:
    """The state of training."""

    def __init__(self, trials: Sequence[Trial], data: Data, device: torch.device, dtype: torch.dtype) -> None:
        self.trials, self.device = trials, device
        self.common: Configuration = trials[0][0]
        self.training, self.held_out = parts(trials, data, device, dtype)
        self.networks = Networks(trials, self.training.table.shape[1], len(data.classes), device, dtype)
        self.optimiser = optimiser(self.networks, [each for each, _ in trials])
        self.radii = [
            torch.tensor([each.rates[k] or math.inf for each, _ in trials], device=device)[:, None, None]
            for k in range(len(self.common.hidden))
        ]
        self.epochs: list[list[Metrics]] = [[] for _ in trials]
        self.ended: dict[int, Outcome] = {}
        self.step = 0

    def outcomes(self, epoch_done: Callable[[int, int], None]) -> list[Outcome]:
        seeds = [seed for _, seed in self.trials]
        with Orders(seeds, self.training.count, self.common.epochs, self.device) as orders:
            for epoch in range(self.common.epochs):
                trained = self._epoch(orders.of(epoch))
                held_out = self._evaluate(self.held_out)
                for n in range(len(self.trials)):
                    if n not in self.ended:
                        self._note(n, epoch + 1, trained[n], held_out[n], epoch_done)
        final = self._evaluate(self.training)
        for n in range(len(self.trials)):
            if n not in self.ended:
                self.ended[n] = self._final(n, final[n], held_out[n])
        return [self.ended[n] for n in range(len(self.trials))]

    def _note(
        self,
        n: int,
        epoch: int,
        trained: tuple[float, float],
        held_out: tuple[float, float],
        epoch_done: Callable[[int, int], None],
    ) -> None:
        metrics = _named("train", trained) | _named(self.common.held_out, held_out)
        if all(map(math.isfinite, metrics.values())):
            self.epochs[n].append({"epoch": epoch, **metrics})
            epoch_done(n, epoch)
        else:
            self.ended[n] = Outcome("diverged", self.epochs[n], {})

    def _final(self, n: int, trained: tuple[float, float], held_out: tuple[float, float]) -> Outcome:
        if not all(map(math.isfinite, trained)):
            return Outcome("diverged", self.epochs[n][:-1], {})
        final = _named("train", trained) | _named(self.common.held_out, held_out)
        return Outcome("finished", self.epochs[n], final | {"gap": trained[1] - held_out[1]})

    def _epoch(self, order: Tensor) -> list[tuple[float, float]]:
        """One pass; the mean loss and accuracy of each network over its examples, as they were trained on."""
        # Summed on the device and read once an epoch: until then the device need not be waited for.
        loss_sum = torch.zeros(len(self.trials), dtype=torch.float64, device=self.device)
        right = torch.zeros(len(self.trials), dtype=torch.int64, device=self.device)
        for index in torch.split(order, self.common.batch, dim=1):
            x, y = self.training.batch(index)
            logits = self.networks.logits(x, self.step)
            losses = self._losses(logits, x, y)
            self.optimiser(torch.autograd.grad(losses.sum(), self.networks.parameters()))
            self._after_step()
            loss_sum += losses.detach() * index.shape[1]
            right += (logits.detach().argmax(2) == y).sum(1)
            self.step += 1
        return _means(loss_sum, right, order.shape[1])

    def _losses(self, logits: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """What is minimised in each network, given the logits of the first draw."""
        losses = _losses(logits, y).mean(1)
        if self.common.method != "r_drop":
            return losses
        second = self.networks.logits(x, self.step, 1)
        one, two = logits.log_softmax(2), second.log_softmax(2)
        apart = 0.5 * ((one.exp() - two.exp()) * (one - two)).sum(2).mean(1)
        weight: float = dict(self.common.method_args).get("alpha", 1.0)
        found: Tensor = (losses + _losses(second, y).mean(1) + weight * apart) / 2
        return found

    @torch.no_grad()
    def _after_step(self) -> None:
        if self.common.method != "max_norm":
            return
        for weight, radius in zip(self.networks.weights[:-1], self.radii, strict=True):
            norm = torch.linalg.vector_norm(weight, dim=2, keepdim=True, dtype=torch.float64)
            above = (norm > radius * (1 + torch.finfo(weight.dtype).eps)) & norm.isfinite()
            weight.mul_(torch.where(above, radius / norm, 1))

    @torch.no_grad()
    def _evaluate(self, part: Part) -> list[tuple[float, float]]:
        """Mean loss and accuracy of each network with dropout off."""
        loss_sum = torch.zeros(len(self.trials), dtype=torch.float64, device=self.device)
        right = torch.zeros(len(self.trials), dtype=torch.int64, device=self.device)
        widest = max(part.table.shape[1], *self.common.hidden)
        size = min(EVALUATION_BATCH, max(1, LARGEST // (len(self.trials) * widest)))
        for start in range(0, part.count, size):
            x, y = part.stretch(start, start + size)
            logits = self.networks.logits(x)
            loss_sum += _losses(logits, y).sum(1)
            right += (logits.argmax(2) == y).sum(1)
        return _means(loss_sum, right, part.count)


def _losses(logits: Tensor, y: Tensor) -> Tensor:
    """Cross-entropies, axes (network, example)."""
    y = y.expand(logits.shape[:2])
    return nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view(y.shape)


def _means(loss_sum: Tensor, right: Tensor, count: int) -> list[tuple[float, float]]:
    return [
        (loss / count, hits / count) for loss, hits in zip(loss_sum.tolist(), right.tolist(), strict=True)
    ]


def _named(prefix: str, found: tuple[float, float]) -> Metrics:
    return {f"{prefix}_loss": found[0], f"{prefix}_accuracy": found[1]}


@contextmanager
def _exact() -> Iterator[None]:
    """Products in float32 throughout: no TF32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
