"""Dropout in TensorFlow, as the textbook teaches it: from scratch, then with a function, and why the two are one.

    python examples/chapter_tensorflow.py --data digits --out runs/chapter-tensorflow

1. `dropout_layer`: from a uniform draw to a tensor with holes.
2. `DropoutMLPScratch`: a network that uses it.
3. `train`: what is the same for every network.
4. `DropoutMLP`: the same network with `thinned.tensorflow.dropout`.
5. `lesson`: trains them, and shows that with the same draws they are the same network.

TensorFlow's layers are those of Keras: `chapter_keras.py` has the network as a `Sequential`.

Zhang, Lipton, Li, Smola, "Dive into Deep Learning", section "Dropout", https://d2l.ai.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from command import options, save
from curves import Curves, Watch, in_terminal

import thinned.tensorflow
from thinned.lab.data import Data, default_name, load
from thinned.mask import quantise, uniform

Tensor: TypeAlias = Any

RATES = (0.2, 0.5)  # of dropping: little near the input, much near the output
HIDDEN, BATCH, LEARNING_RATE = 256, 256, 0.5


# 1. From a uniform draw to a tensor with holes


def dropout_layer(x: Tensor, p: float, u: Tensor | None = None) -> Tensor:
    """Drop each element of `x` with probability `p`; `u` holds one uniform draw for each."""
    if not 0 <= p <= 1:
        raise ValueError(f"expected p in [0, 1], the probability of dropping; got {p}.")
    if p == 1:  # nobody is left, and x / (1 - p) would divide by zero
        return tf.zeros_like(x)
    if u is None:
        u = tf.random.uniform(tf.shape(x))
    # u lies in [0, 1), so it falls below p with probability p. The textbook writes u < 1 - p: as often, and so
    # as good, but other elements for the same draws.
    kept = u >= p
    # Those that stay grow by 1 / (1 - p), so that the next layer expects the same sum as without dropout.
    # `where` selects; multiplying by a mask would turn a dropped infinity into NaN.
    return tf.where(kept, x / (1 - p), tf.zeros_like(x))


# 2. A network from scratch

Draw: TypeAlias = Callable[[Tensor, str, Tensor], Tensor]
"""Where uniform draws come from: (h, site, step) -> draws for each element of h."""


def fresh(h: Tensor, site: str, step: Tensor) -> Tensor:
    """The textbook's draws: whatever the generator gives next."""
    return tf.random.uniform(tf.shape(h), dtype=h.dtype)


def by_the_law(seed: int) -> Draw:
    """The draws that belong to an address: ask twice, and you get the same.

    NumPy makes them, on the way out of the graph and back; section 4 has the way that stays in it.
    """

    def draw(h: Tensor, site: str, step: Tensor) -> Tensor:
        u = tf.numpy_function(
            lambda shape, step: uniform(shape, seed=seed, site=site, step=step),
            [tf.shape(h), step],
            tf.float64,
        )
        return tf.cast(tf.ensure_shape(u, h.shape), h.dtype)

    return draw


class MLP(tf.Module):  # type: ignore[misc]
    """Two hidden layers, each followed by dropout; weights drawn from N(0, 0.01), 0.01 the deviation."""

    def __init__(
        self,
        inputs: int,
        classes: int,
        rates: tuple[float, float] = RATES,
        dtype: tf.DType = tf.float32,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.rates = rates
        # Counts training steps. A variable and no Python number: that would be traced anew at each step.
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        generator = tf.random.Generator.from_seed(seed)

        def weights(outer: int, inner: int) -> Tensor:
            return tf.Variable(tf.cast(generator.normal([outer, inner]) * 0.01, dtype))

        self.W1, self.b1 = weights(inputs, HIDDEN), tf.Variable(tf.zeros(HIDDEN, dtype))
        self.W2, self.b2 = weights(HIDDEN, HIDDEN), tf.Variable(tf.zeros(HIDDEN, dtype))
        self.W3, self.b3 = weights(HIDDEN, classes), tf.Variable(tf.zeros(classes, dtype))

    def __call__(self, x: Tensor, training: bool = False) -> Tensor:
        """Scores, axes (example, class)."""
        h = self.thin(tf.nn.relu(x @ self.W1 + self.b1), 0, training)
        h = self.thin(tf.nn.relu(h @ self.W2 + self.b2), 1, training)
        return h @ self.W3 + self.b3

    def thin(self, h: Tensor, which: int, training: bool) -> Tensor:
        """Drop in training only: whoever predicts asks the whole network."""
        return self.drop(h, self.rates[which], f"drop{which + 1}") if training else h

    def drop(self, h: Tensor, p: float, site: str) -> Tensor:
        """How: what the two networks differ in."""
        raise NotImplementedError


class DropoutMLPScratch(MLP):
    """With section 1's `dropout_layer`."""

    draw: Draw = staticmethod(fresh)

    def drop(self, h: Tensor, p: float, site: str) -> Tensor:
        """With a draw for each element, from wherever `draw` has them."""
        return dropout_layer(h, p, self.draw(h, site, self.step))


# 3. What is the same for every network


def train(net: MLP, data: Data, title: str, epochs: int, watch: Watch) -> Curves:
    """Minibatch gradient descent on the cross-entropy, in the network's own precision."""

    # One graph for all steps: the step is a variable, and the last batch, which is shorter, an unknown size.
    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def train_step(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with tf.GradientTape() as tape:
            scores = net(x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, scores))
        for weight, gradient in zip(
            net.trainable_variables, tape.gradient(loss, net.trainable_variables), strict=True
        ):
            weight.assign_sub(LEARNING_RATE * gradient)
        net.step.assign_add(1)
        return loss, tf.math.count_nonzero(tf.argmax(scores, 1) == y)

    x, y = flat(data.train_x, net), data.train_y
    shuffle = np.random.default_rng(0)  # its own, so that every network sees the same batches
    curves = Curves(title, epochs)
    for _ in range(epochs):
        losses, hits = 0.0, 0
        order = shuffle.permutation(len(x))
        for rows in (order[start : start + BATCH] for start in range(0, len(x), BATCH)):
            loss, hit = train_step(tf.constant(x[rows]), tf.constant(y[rows]))
            losses += float(loss) * len(rows)
            hits += int(hit)
        # The training curves are taken with units dropped and the test curve without: that, and not a
        # mistake, is why the test accuracy may lie above the training accuracy.
        curves.add(losses / len(x), hits / len(x), accuracy(net, data.test_x, data.test_y))
        watch(curves)
    return curves


def accuracy(net: MLP, x: npt.NDArray[np.float32], y: npt.NDArray[np.int64]) -> float:
    """The share of examples whose class has the highest score."""
    return float(np.mean(np.argmax(net(flat(x, net)), 1) == y))


def flat(x: npt.NDArray[np.float32], net: MLP) -> npt.NDArray[Any]:
    """Images as rows, in the network's precision."""
    return x.reshape(len(x), -1).astype(net.W1.dtype.as_numpy_dtype)


# 4. The same network, as you would really write it


class DropoutMLP(MLP):
    """With `thinned.tensorflow.dropout`: no generator, and nothing stored but the address of the mask."""

    seed = 0

    def drop(self, h: Tensor, p: float, site: str) -> Tensor:
        """At an address: the seed, this place in the network, this step."""
        return thinned.tensorflow.dropout(h, p, seed=self.seed, site=site, step=self.step)


def largest_difference(one: MLP, other: MLP) -> float:
    """Between any weight of the one and the same weight of the other."""
    pairs = zip(one.trainable_variables, other.trainable_variables, strict=True)
    return max(float(tf.reduce_max(tf.abs(a - b))) for a, b in pairs)


# 5. The lesson


def twins(data: Data, seed: int = 0) -> tuple[DropoutMLPScratch, DropoutMLP]:
    """The network from scratch on the law's draws, and the network with the function, from the same weights.

    The law compares 16-bit integers, so a rate is a multiple of 2^-16: `quantise` gives the one meant.
    Both compute in float64, where rounding stays far below anything that dropout does.
    """
    sizes = data.train_x[0].size, len(data.classes), (quantise(RATES[0]), quantise(RATES[1])), tf.float64
    scratch, function = DropoutMLPScratch(*sizes), DropoutMLP(*sizes)
    scratch.draw, function.seed = by_the_law(seed), seed
    return scratch, function


def lesson(
    data: Data, epochs: int, live: Callable[[], AbstractContextManager[Watch]] = in_terminal
) -> tuple[list[Curves], float]:
    """Train the three networks; give their curves and how far the twins ended apart."""

    def trained(net: MLP, title: str) -> Curves:
        with live() as watch:
            return train(net, data, title, epochs, watch)

    tf.random.set_seed(0)
    textbook = DropoutMLPScratch(data.train_x[0].size, len(data.classes))
    scratch, function = twins(data)
    curves = [
        trained(textbook, "from scratch"),
        trained(scratch, "from scratch, the law's draws"),
        trained(function, "with the function"),
    ]
    return curves, largest_difference(scratch, function)


def textbook_epochs(data: Data) -> int:
    """Ten; on small data more, since it is steps that leave the flat start of N(0, 0.01), some hundred here."""
    return max(10, math.ceil(600 / math.ceil(len(data.train_x) / BATCH)))


def show_dropout_layer() -> None:
    x = tf.reshape(tf.range(16.0), (2, 8))
    print("x:", x.numpy(), sep="\n")
    for p in (0.0, 0.5, 1.0):
        print(f"dropout_layer(x, {p}):", dropout_layer(x, p).numpy(), sep="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    asked = options(
        "Dropout in TensorFlow, from scratch and with a function.", "runs/chapter-tensorflow", arguments
    )
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
