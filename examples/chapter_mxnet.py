"""Dropout in MXNet, as both editions of the textbook teach it: from scratch, then with Gluon.

    python examples/chapter_mxnet.py --data digits --out runs/chapter-mxnet

1. `dropout_nd` and `dropout_np`: from a uniform draw to an array with holes, on each of MXNet's interfaces.
2. `ScratchMLP`: a network that uses one of them, and autograd.
3. `gluon_mlp`: the same network from Gluon's blocks.
4. `train`: what is the same for both, and the two ways to take a step.
5. `lesson`: trains them, and shows that with the same draws they are the same network.

Zhang, Lipton, Li, Smola, "Dive into Deep Learning", section "Dropout", https://d2l.ai: the first edition on
`mxnet.nd`, the later ones on `mxnet.np`. It needs MXNet's own environment: see docs/frameworks/mxnet.md.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import mxnet as mx
import numpy
from command import options, save
from curves import Curves, Watch, in_terminal
from mxnet import autograd, gluon, nd, np, npx
from mxnet.gluon import nn

import thinned.mxnet
from thinned.lab.data import Data, default_name, load
from thinned.mask import quantise, uniform

RATES = (0.2, 0.5)  # of dropping: little near the input, much near the output
HIDDEN, BATCH, LEARNING_RATE = 256, 256, 0.5

Array: TypeAlias = Any
"""An `mx.nd.NDArray` or an `mx.np.ndarray`."""


# 1. From a uniform draw to an array with holes


def dropout_nd(x: Array, p: float, u: Array | None = None) -> Array:
    """Drop each element of `x` with probability `p`; `u` holds one uniform draw for each."""
    check_rate(p)
    if p == 1:  # nobody is left, and x / (1 - p) would divide by zero
        return nd.zeros_like(x)
    if u is None:
        u = nd.random.uniform(0, 1, x.shape, dtype=x.dtype)
    # u lies in [0, 1), so it falls below p with probability p. Those that stay grow by 1 / (1 - p), so that the
    # next layer expects the same sum as without dropout. `where` selects; the textbook multiplies by the mask,
    # which would turn a dropped infinity into NaN.
    return nd.where(u >= p, x / (1 - p), nd.zeros_like(x))


def dropout_np(x: Array, p: float, u: Array | None = None) -> Array:
    """Drop likewise on the later interface, which reads as NumPy does."""
    check_rate(p)
    if p == 1:
        return np.zeros_like(x)
    if u is None:
        u = np.random.uniform(0, 1, x.shape, dtype=x.dtype)
    return np.where(u >= p, x / (1 - p), np.zeros_like(x))


def check_rate(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"expected p in [0, 1], the probability of dropping; got {p}.")


@dataclass(frozen=True)
class Edition:
    """One of MXNet's two interfaces, as far as the lesson needs it."""

    name: str
    dropout: Callable[..., Array]
    array: Callable[..., Array]
    dot: Callable[..., Array]
    relu: Callable[..., Array]
    normal: Callable[..., Array]


ND = Edition("nd", dropout_nd, nd.array, nd.dot, nd.relu, nd.random.normal)
NP = Edition("np", dropout_np, np.array, np.dot, npx.relu, np.random.normal)


@contextmanager
def semantics(edition: Edition) -> Iterator[None]:
    """Have Gluon speak the edition's interface; a program of your own calls `npx.set_np()` once, at its start."""
    on = edition is NP
    with mx.util.np_shape(on), mx.util.np_array(on):
        yield


# 2. A network from scratch

Draw: TypeAlias = Callable[[Sequence[int], str, int], Any]
"""Where uniform draws come from: (shape, site, step) -> draws, or None for MXNet's own."""


def fresh(shape: Sequence[int], site: str, step: int) -> None:
    """The textbook's draws: whatever the generator gives next."""


def by_the_law(seed: int) -> Draw:
    """The draws that belong to an address: ask twice, and you get the same."""
    return lambda shape, site, step: uniform(shape, seed=seed, site=site, step=step)


class ScratchMLP:
    """Two hidden layers, each followed by dropout; weights drawn from N(0, 0.01), 0.01 the deviation."""

    def __init__(
        self,
        edition: Edition,
        inputs: int,
        classes: int,
        rates: tuple[float, float] = RATES,
        draw: Draw = fresh,
        dtype: str = "float32",
    ) -> None:
        self.edition, self.rates, self.draw, self.dtype, self.step = edition, rates, draw, dtype, 0
        sizes = (inputs, HIDDEN, HIDDEN, classes)
        self.parameters: list[Array] = []
        for rows, columns in pairwise(sizes):
            weight = edition.normal(0, 0.01, (rows, columns)).astype(dtype)
            self.parameters += [weight, edition.array(numpy.zeros(columns), dtype=dtype)]
        for parameter in self.parameters:
            parameter.attach_grad()

    def __call__(self, x: Array) -> Array:
        """Scores, axes (example, class)."""
        w1, b1, w2, b2, w3, b3 = self.parameters
        dot, relu = self.edition.dot, self.edition.relu
        h = self.thin(relu(dot(x, w1) + b1), 0)
        h = self.thin(relu(dot(h, w2) + b2), 1)
        self.step += autograd.is_training()
        return dot(h, w3) + b3

    def thin(self, h: Array, which: int) -> Array:
        """Drop in training only: whoever predicts asks the whole network."""
        if not autograd.is_training():
            return h
        u = self.draw(h.shape, f"drop{which + 1}", self.step)
        return self.edition.dropout(
            h, self.rates[which], u if u is None else self.edition.array(u, dtype=self.dtype)
        )

    def descend(self, count: int) -> None:
        """One step of minibatch gradient descent, for a loss summed over so many."""
        for parameter in self.parameters:
            parameter[:] = parameter - LEARNING_RATE * parameter.grad / count


# 3. The same network from Gluon's blocks


def gluon_mlp(classes: int, rates: tuple[float, float] = RATES) -> nn.Sequential:
    """What you would really write: `Dropout` knows whether MXNet trains, and, bound, its mask's address."""
    net = nn.Sequential()
    net.add(
        nn.Dense(HIDDEN, activation="relu"),
        thinned.mxnet.Dropout(rates[0], site="drop1"),
        nn.Dense(HIDDEN, activation="relu"),
        thinned.mxnet.Dropout(rates[1], site="drop2"),
        nn.Dense(classes),
    )
    net.initialize(mx.init.Normal(0.01))
    return net


def copy_weights(scratch: ScratchMLP, net: nn.Sequential) -> None:
    """Start both at one point. Gluon keeps its weight transposed."""
    for i, dense in enumerate((net[0], net[2], net[4])):
        weight, bias = scratch.parameters[2 * i : 2 * i + 2]
        dense.weight.set_data(weight.T)
        dense.bias.set_data(bias)


def largest_difference(scratch: ScratchMLP, net: nn.Sequential) -> float:
    """Between any weight of the one and the same weight of the other."""
    theirs = [
        array for dense in (net[0], net[2], net[4]) for array in (dense.weight.data().T, dense.bias.data())
    ]
    pairs = zip(scratch.parameters, theirs, strict=True)
    return max(float(numpy.abs(a.asnumpy() - b.asnumpy()).max()) for a, b in pairs)


# 4. What is the same for every network

Step: TypeAlias = Callable[[int], None]
"""Takes one step of descent, given how many the loss was summed over."""


def train(
    net: Callable[[Array], Array],
    step: Step,
    data: Data,
    title: str,
    epochs: int,
    watch: Watch,
    edition: Edition,
    dtype: str = "float32",
) -> Curves:
    """Minibatch gradient descent on the cross-entropy."""
    x, y = data.train_x.reshape(len(data.train_x), -1), data.train_y
    cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()
    shuffle = numpy.random.default_rng(0)  # its own, so that every network sees the same batches
    curves = Curves(title, epochs)
    for _ in range(epochs):
        losses, hits = 0.0, 0
        order = shuffle.permutation(len(x))
        for rows in (order[start : start + BATCH] for start in range(0, len(x), BATCH)):
            with autograd.record():  # here MXNet trains, and units are dropped
                scores = net(edition.array(x[rows], dtype=dtype))
                loss = cross_entropy(scores, edition.array(y[rows], dtype=dtype)).mean()
            loss.backward()
            # The textbook sums and has the trainer divide by the batch's size. It would do that in float32.
            step(1)
            losses += float(loss.asnumpy()) * len(rows)
            hits += int((scores.asnumpy().argmax(1) == y[rows]).sum())
        # The training curves are taken with units dropped and the test curve without: that, and not a
        # mistake, is why the test accuracy may lie above the training accuracy.
        curves.add(losses / len(x), hits / len(x), accuracy(net, data, edition, dtype))
        watch(curves)
    return curves


def accuracy(net: Callable[[Array], Array], data: Data, edition: Edition, dtype: str = "float32") -> float:
    """On the test data, outside `record`, where nothing is dropped."""
    x = edition.array(data.test_x.reshape(len(data.test_x), -1), dtype=dtype)
    return float((net(x).asnumpy().argmax(1) == data.test_y).mean())


# 5. The lesson


def twins(edition: Edition, data: Data, seed: int = 0) -> tuple[ScratchMLP, nn.Sequential]:
    """The network from scratch on the law's draws, and Gluon's, bound to the same seed.

    The law compares 16-bit integers, so a rate is a multiple of 2^-16: `quantise` gives the one meant.
    Both compute in float64, where rounding stays far below anything that dropout does.
    """
    inputs, classes = data.train_x[0].size, len(data.classes)
    rates = (quantise(RATES[0]), quantise(RATES[1]))
    scratch = ScratchMLP(edition, inputs, classes, rates, by_the_law(seed), "float64")
    net = gluon_mlp(classes)
    net(edition.array(numpy.zeros((1, inputs)), dtype="float32"))  # Gluon learns the sizes from an input
    net.cast("float64")
    copy_weights(scratch, net)
    return scratch, thinned.mxnet.bind(net, seed=seed)


def lesson(edition: Edition, data: Data, epochs: int) -> tuple[list[Curves], float]:
    """Train three networks on one interface; give their curves and how far the twins ended apart."""
    mx.random.seed(0)
    textbook = ScratchMLP(edition, data.train_x[0].size, len(data.classes))
    scratch, net = twins(edition, data)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": LEARNING_RATE})
    curves = []
    for title, network, step, dtype in (
        ("from scratch", textbook, textbook.descend, "float32"),
        ("from scratch, the law's draws", scratch, scratch.descend, "float64"),
        ("with Gluon", net, trainer.step, "float64"),
    ):
        with in_terminal() as watch:
            name = f"{title} ({edition.name})"
            curves.append(train(network, step, data, name, epochs, watch, edition, dtype))
    return curves, largest_difference(scratch, net)


def textbook_epochs(data: Data) -> int:
    """Ten; on small data more, since it is steps that leave the flat start of N(0, 0.01), some hundred here."""
    return max(10, math.ceil(600 / math.ceil(len(data.train_x) / BATCH)))


def show_dropout_layers() -> None:
    for edition in (ND, NP):
        with semantics(edition):
            x = edition.array(numpy.arange(16).reshape(2, 8), dtype="float32")
            print(f"{edition.name}:", x.asnumpy(), sep="\n")
            for p in (0.0, 0.5, 1.0):
                print(f"dropout_{edition.name}(x, {p}):", edition.dropout(x, p).asnumpy(), sep="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    asked = options("Dropout from scratch and with Gluon.", "runs/chapter-mxnet", arguments)
    show_dropout_layers()
    data = load(asked.data or default_name())
    epochs = asked.epochs or textbook_epochs(data)
    print(f"\n{data.source}")
    print(f"{len(data.train_x)} training and {len(data.test_x)} test examples, {epochs} epochs.\n")
    panels = []
    for edition in (ND, NP):
        with semantics(edition):
            curves, difference = lesson(edition, data, epochs)
        panels += curves
        print(
            f"\n{edition.name}: the networks with the same draws differ by at most {difference:.1e} in any weight."
        )
    save(panels, asked.out)


if __name__ == "__main__":
    main()
