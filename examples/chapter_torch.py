"""Dropout, as the textbook teaches it: from scratch, then with layers, and why the two are one.

    python examples/chapter_torch.py --data digits --out runs/chapter

1. `dropout_layer`: from a uniform draw to an array with holes.
2. `DropoutMLPScratch`: a network that uses it.
3. `train`: what is the same for every network.
4. `DropoutMLP`: the same network with layers.
5. `lesson`: trains them, and shows that with the same draws they are the same network.

Zhang, Lipton, Li, Smola, "Dive into Deep Learning", section "Dropout", https://d2l.ai.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from command import options, save
from curves import Curves, Watch, in_terminal
from torch import Tensor, nn

import thinned.torch
from thinned.lab.data import Data, default_name, load
from thinned.mask import quantise, uniform

RATES = (0.2, 0.5)  # of dropping: little near the input, much near the output
HIDDEN, BATCH, LEARNING_RATE = 256, 256, 0.5


# 1. From a uniform draw to an array with holes


def dropout_layer(x: Tensor, p: float, u: Tensor | None = None) -> Tensor:
    """Drop each element of `x` with probability `p`; `u` holds one uniform draw for each."""
    check_rate(p)
    if p == 1:  # nobody is left, and x / (1 - p) would divide by zero
        return torch.zeros_like(x)
    if u is None:
        u = torch.rand(x.shape)
    # u lies in [0, 1), so it falls below p with probability p. The textbook writes u > p, which at p = 0
    # would drop an element whenever torch.rand returns exactly 0, once in 16 million draws.
    kept = u >= p
    # Those that stay grow by 1 / (1 - p), so that the next layer expects the same sum as without dropout.
    # `where` selects; multiplying by a mask would turn a dropped infinity into NaN.
    return torch.where(kept, x / (1 - p), 0)


def dropout_layer_older(x: Tensor, p: float, u: Tensor | None = None) -> Tensor:
    """Drop as the older edition does: keep where `u < 1 - p`.

    As often, and so as good; but other elements, for the same draws.
    """
    check_rate(p)
    if p == 1:
        return torch.zeros_like(x)
    if u is None:
        u = torch.rand(x.shape)
    return torch.where(u < 1 - p, x / (1 - p), 0)


def check_rate(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"expected p in [0, 1], the probability of dropping; got {p}.")


# 2. A network from scratch

Layer: TypeAlias = Callable[[Tensor, float, Tensor], Tensor]
"""What drops: (x, p, draws) -> x with holes."""

Draw: TypeAlias = Callable[[Sequence[int], str, int], Tensor]
"""Where uniform draws come from: (shape, site, step) -> draws."""


def fresh(shape: Sequence[int], site: str, step: int) -> Tensor:
    """The textbook's draws: whatever the generator gives next."""
    return torch.rand(*shape)


def by_the_law(seed: int) -> Draw:
    """The draws that belong to an address: ask twice, and you get the same."""
    return lambda shape, site, step: torch.from_numpy(uniform(shape, seed=seed, site=site, step=step))


class DropoutMLPScratch(nn.Module):
    """Two hidden layers, each followed by dropout; weights drawn from N(0, 0.01), 0.01 the deviation."""

    def __init__(
        self,
        inputs: int,
        classes: int,
        rates: tuple[float, float] = RATES,
        layer: Layer = dropout_layer,
        draw: Draw = fresh,
    ) -> None:
        super().__init__()
        self.rates, self.layer, self.draw, self.step = rates, layer, draw, 0
        self.W1, self.b1 = weights(inputs, HIDDEN)
        self.W2, self.b2 = weights(HIDDEN, HIDDEN)
        self.W3, self.b3 = weights(HIDDEN, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores, axes (example, class)."""
        h = self.thin(torch.relu(x.flatten(1) @ self.W1 + self.b1), 0)
        h = self.thin(torch.relu(h @ self.W2 + self.b2), 1)
        self.step += self.training
        return h @ self.W3 + self.b3

    def thin(self, h: Tensor, which: int) -> Tensor:
        """Drop in training only: whoever predicts asks the whole network."""
        if not self.training:
            return h
        return self.layer(h, self.rates[which], self.draw(h.shape, f"drop{which + 1}", self.step))


def weights(inputs: int, outputs: int) -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(torch.randn(inputs, outputs) * 0.01), nn.Parameter(torch.zeros(outputs))


# 3. What is the same for every network


def train(net: nn.Module, data: Data, title: str, epochs: int, watch: Watch) -> Curves:
    """Minibatch gradient descent on the cross-entropy, in the network's own precision."""
    dtype = next(net.parameters()).dtype
    x, y = torch.from_numpy(data.train_x).to(dtype), torch.from_numpy(data.train_y)
    sgd = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE)
    shuffle = torch.Generator().manual_seed(0)  # its own, so that every network sees the same batches
    curves = Curves(title, epochs)
    for _ in range(epochs):
        net.train()
        losses, hits = 0.0, 0
        for rows in torch.randperm(len(x), generator=shuffle).split(BATCH):
            scores = net(x[rows])
            loss = nn.functional.cross_entropy(scores, y[rows])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            losses += loss.item() * len(rows)
            hits += int((scores.argmax(1) == y[rows]).sum())
        # The training curves are taken with units dropped and the test curve without: that, and not a
        # mistake, is why the test accuracy may lie above the training accuracy.
        curves.add(losses / len(x), hits / len(x), accuracy(net, data.test_x, data.test_y))
        watch(curves)
    return curves


@torch.no_grad()
def accuracy(net: nn.Module, x: npt.NDArray[np.float32], y: npt.NDArray[np.int64]) -> float:
    net.eval()
    scores = net(torch.from_numpy(x).to(next(net.parameters()).dtype))
    return float((scores.argmax(1) == torch.from_numpy(y)).double().mean())


# 4. The same network with layers


class DropoutMLP(nn.Module):
    """What you would really write: `Dropout` knows whether it trains, and, bound, its mask's address."""

    def __init__(self, inputs: int, classes: int, rates: tuple[float, float] = RATES) -> None:
        super().__init__()
        self.lin1, self.drop1 = nn.Linear(inputs, HIDDEN), thinned.torch.Dropout(rates[0])
        self.lin2, self.drop2 = nn.Linear(HIDDEN, HIDDEN), thinned.torch.Dropout(rates[1])
        self.lin3 = nn.Linear(HIDDEN, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Scores, axes (example, class)."""
        h = self.drop1(torch.relu(self.lin1(x.flatten(1))))
        h = self.drop2(torch.relu(self.lin2(h)))
        scores: Tensor = self.lin3(h)
        return scores


@torch.no_grad()
def copy_weights(scratch: DropoutMLPScratch, layers: DropoutMLP) -> None:
    """Start both at one point. `nn.Linear` keeps its weight transposed."""
    for i, linear in enumerate((layers.lin1, layers.lin2, layers.lin3), 1):
        linear.weight.copy_(getattr(scratch, f"W{i}").T)
        linear.bias.copy_(getattr(scratch, f"b{i}"))


@torch.no_grad()
def largest_difference(scratch: DropoutMLPScratch, layers: DropoutMLP) -> float:
    """Between any weight of the one and the same weight of the other."""
    theirs = [t for linear in (layers.lin1, layers.lin2, layers.lin3) for t in (linear.weight.T, linear.bias)]
    return max((a - b).abs().max().item() for a, b in zip(scratch.parameters(), theirs, strict=True))


# 5. The lesson


def twins(data: Data, seed: int = 0) -> tuple[DropoutMLPScratch, DropoutMLP]:
    """The network from scratch on the law's draws, and the network with layers, bound to the same seed.

    The law compares 16-bit integers, so a rate is a multiple of 2^-16: `quantise` gives the one meant.
    Both compute in float64, where rounding stays far below anything that dropout does.
    """
    inputs, classes = data.train_x[0].size, len(data.classes)
    rates = (quantise(RATES[0]), quantise(RATES[1]))
    scratch = DropoutMLPScratch(inputs, classes, rates, draw=by_the_law(seed)).double()
    layers = DropoutMLP(inputs, classes).double()
    copy_weights(scratch, layers)
    thinned.torch.bind(layers, seed=seed)
    return scratch, layers


def lesson(
    data: Data, epochs: int, live: Callable[[], AbstractContextManager[Watch]] = in_terminal
) -> tuple[list[Curves], float]:
    """Train the four networks; give their curves and how far the twins ended apart."""

    def trained(net: nn.Module, title: str, epochs: int) -> Curves:
        with live() as watch:
            return train(net, data, title, epochs, watch)

    torch.manual_seed(0)
    inputs, classes = data.train_x[0].size, len(data.classes)
    textbook = DropoutMLPScratch(inputs, classes)
    older = DropoutMLPScratch(inputs, classes, layer=dropout_layer_older)
    scratch, layers = twins(data)
    curves = [
        trained(textbook, "from scratch", epochs),
        trained(older, "from scratch, older edition", (epochs + 1) // 2),
        trained(scratch, "from scratch, the law's draws", epochs),
        trained(layers, "with layers", epochs),
    ]
    return curves, largest_difference(scratch, layers)


def textbook_epochs(data: Data) -> int:
    """Ten; on small data more, since it is steps that leave the flat start of N(0, 0.01), some hundred here."""
    return max(10, math.ceil(600 / math.ceil(len(data.train_x) / BATCH)))


def show_dropout_layer() -> None:
    x = torch.arange(16, dtype=torch.float32).reshape(2, 8)
    print("x:", x, sep="\n")
    for p in (0.0, 0.5, 1.0):
        print(f"dropout_layer(x, {p}):", dropout_layer(x, p), sep="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    asked = options("Dropout from scratch and with layers.", "runs/chapter", arguments)
    show_dropout_layer()
    data = load(asked.data or default_name())
    epochs = asked.epochs or textbook_epochs(data)
    print(f"\n{data.source}")
    print(f"{len(data.train_x)} training and {len(data.test_x)} test examples, {epochs} epochs.\n")
    curves, difference = lesson(data, epochs)
    print(f"\nThe two networks with the same draws differ by at most {difference:.1e} in any weight.")
    save(curves, asked.out)


if __name__ == "__main__":
    main()
