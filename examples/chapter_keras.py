"""Dropout in Keras, as the textbook teaches it: from scratch, then with layers, and why the two are one.

    KERAS_BACKEND=jax python examples/chapter_keras.py --data digits --out runs/chapter-keras

1. `dropout_layer`: from a uniform draw to an array with holes.
2. `DropoutScratch`: a layer that uses it, and a network.
3. `train`: what is the same for every network.
4. `with_layers`: the same network with layers.
5. `lesson`: trains them, and shows that with the same draws they are the same network.

Zhang, Lipton, Li, Smola, "Dive into Deep Learning", section "Dropout", https://d2l.ai.
"""

import math
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")  # or jax, or tensorflow: the lesson is the same
os.environ.setdefault("JAX_ENABLE_X64", "1")  # without it JAX has no float64

import keras
import numpy as np
from command import options, save
from curves import Curves, Watch, in_terminal
from keras import ops

import thinned.keras
from thinned.lab.data import Data, default_name, load
from thinned.mask import quantise, uniform

RATES = (0.2, 0.5)  # of dropping: little near the input, much near the output
HIDDEN, BATCH, LEARNING_RATE = 256, 256, 0.5


# 1. From a uniform draw to an array with holes


def dropout_layer(x: Any, rate: float, u: Any) -> Any:
    """Drop each element of `x` with probability `rate`; `u` holds one uniform draw for each."""
    if not 0 <= rate <= 1:
        raise ValueError(f"expected rate in [0, 1], the probability of dropping; got {rate}.")
    if rate == 1:  # nobody is left, and x / (1 - rate) would divide by zero
        return ops.zeros_like(x)
    # u lies in [0, 1), so it falls below the rate with that probability. At rate 0 nobody does: u > rate, which
    # the textbook writes, would drop an element whenever u is exactly 0.
    kept = u >= rate
    # Those that stay grow by 1 / (1 - rate), so that the next layer expects the same sum as without dropout.
    # `where` selects; multiplying by a mask would turn a dropped infinity into NaN.
    return ops.where(kept, x / (1 - rate), 0)


# 2. A layer from scratch


class DropoutScratch(keras.Layer):  # type: ignore[misc]
    """The textbook's layer: its draws are whatever the generator gives next."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator = (
            keras.random.SeedGenerator()
        )  # a state of the layer, so that compiled steps can move it

    def call(self, x: Any, training: bool = False) -> Any:
        """Drop in training only: whoever predicts asks the whole network."""
        if not training:
            return x
        return dropout_layer(x, self.rate, keras.random.uniform(ops.shape(x), seed=self.generator))


class DropoutByTheLaw(keras.Layer):  # type: ignore[misc]
    """The same, with the draws that belong to an address: ask twice, and you get the same.

    They are NumPy's, so a network with this layer is trained step by step, and not compiled.
    """

    def __init__(self, rate: float, site: str, seed: int) -> None:
        super().__init__()
        self.rate, self.site, self.seed = rate, site, seed
        self.step = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        """Drop by this step's draws."""
        if not training:
            return x
        u = uniform(tuple(x.shape), seed=self.seed, site=self.site, step=int(self.step.value))
        self.step.assign(self.step + 1)
        return dropout_layer(x, self.rate, ops.convert_to_tensor(u))


def network(inputs: int, classes: int, drops: Sequence[Any]) -> Any:
    """Two hidden layers, each followed by dropout; weights drawn from N(0, 0.01), 0.01 the deviation."""
    first, second = drops

    def dense(units: int, **arguments: Any) -> Any:
        return keras.layers.Dense(
            units, kernel_initializer=keras.initializers.RandomNormal(0, 0.01), **arguments
        )

    return keras.Sequential(
        [
            keras.Input((inputs,)),
            dense(HIDDEN, activation="relu"),
            first,
            dense(HIDDEN, activation="relu"),
            second,
            dense(classes),
        ]
    )


# 3. What is the same for every network


class Show(keras.callbacks.Callback):  # type: ignore[misc]
    """Hands the curves to whoever watches, after each epoch."""

    def __init__(self, curves: Curves, watch: Watch) -> None:
        super().__init__()
        self.curves, self.watch = curves, watch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """The training curves are taken with units dropped and the test curve without.

        That, and not a mistake, is why the test accuracy may lie above the training accuracy.
        """
        self.curves.add(logs["loss"], logs["accuracy"], logs["val_accuracy"])
        self.watch(self.curves)


def train(
    net: Any, data: Data, title: str, epochs: int, watch: Watch, *, step_by_step: bool = False
) -> Curves:
    """Minibatch gradient descent on the cross-entropy."""
    net.compile(
        optimizer=keras.optimizers.SGD(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        run_eagerly=step_by_step,
    )
    curves = Curves(title, epochs)
    order = np.random.default_rng(0).permutation(len(data.train_x))  # every network sees the same batches
    test = flat(data.test_x), data.test_y
    net.fit(
        flat(data.train_x)[order],
        data.train_y[order],
        batch_size=BATCH,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        validation_data=test,
        callbacks=[Show(curves, watch)],
    )
    return curves


def flat(images: Any) -> Any:
    """Images as rows."""
    return images.reshape(len(images), -1)


# 4. The same network with layers


def with_layers(inputs: int, classes: int) -> Any:
    """What you would really write: `Dropout` knows whether it trains, and, bound, its mask's address."""
    drops = [thinned.keras.layers.Dropout(rate, name=f"drop{i}") for i, rate in enumerate(RATES, 1)]
    return network(inputs, classes, drops)


# 5. The lesson


def twins(data: Data, seed: int = 0) -> tuple[Any, Any]:
    """The network from scratch on the law's draws, and the network with layers, bound to the same seed.

    The law compares 16-bit integers, so a rate is a multiple of 2^-16: `quantise` gives the one meant.
    """
    inputs, classes = data.train_x[0].size, len(data.classes)
    drops = [DropoutByTheLaw(quantise(rate), f"drop{i}", seed) for i, rate in enumerate(RATES, 1)]
    scratch, layers = network(inputs, classes, drops), with_layers(inputs, classes)
    layers.set_weights([weight for weight in scratch.get_weights() if weight.ndim])
    return scratch, thinned.keras.bind(layers, seed=seed)


def largest_difference(scratch: Any, layers: Any) -> float:
    """Between any weight of the one and the same weight of the other."""
    ours, theirs = (net.trainable_variables for net in (scratch, layers))
    return max(float(np.abs(values(a) - values(b)).max()) for a, b in zip(ours, theirs, strict=True))


def values(variable: Any) -> Any:
    return ops.convert_to_numpy(variable.value)


def lesson(
    data: Data, epochs: int, live: Callable[[], AbstractContextManager[Watch]] = in_terminal
) -> tuple[list[Curves], float]:
    """Train the three networks; give their curves and how far the twins ended apart."""

    def trained(net: Any, title: str, *, step_by_step: bool = False) -> Curves:
        with live() as watch:
            return train(net, data, title, epochs, watch, step_by_step=step_by_step)

    keras.config.set_floatx("float64")  # where rounding stays below anything that dropout does
    keras.utils.set_random_seed(0)
    inputs, classes = data.train_x[0].size, len(data.classes)
    textbook = network(inputs, classes, [DropoutScratch(rate) for rate in RATES])
    scratch, layers = twins(data)
    curves = [
        trained(textbook, "from scratch"),
        trained(scratch, "from scratch, the law's draws", step_by_step=True),
        trained(layers, "with layers"),
    ]
    return curves, largest_difference(scratch, layers)


def textbook_epochs(data: Data) -> int:
    """Ten; on small data more, since it is steps that leave the flat start of N(0, 0.01), some hundred here."""
    return max(10, math.ceil(600 / math.ceil(len(data.train_x) / BATCH)))


def show_dropout_layer() -> None:
    x = ops.reshape(ops.arange(16, dtype="float32"), (2, 8))
    print("x:", ops.convert_to_numpy(x), sep="\n")
    for rate in (0.0, 0.5, 1.0):
        dropped = dropout_layer(x, rate, keras.random.uniform((2, 8), seed=1))
        print(f"dropout_layer(x, {rate}):", ops.convert_to_numpy(dropped), sep="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    asked = options("Dropout in Keras, from scratch and with layers.", "runs/chapter-keras", arguments)
    show_dropout_layer()
    data = load(asked.data or default_name())
    epochs = asked.epochs or textbook_epochs(data)
    print(f"\n{data.source}")
    print(
        f"{len(data.train_x)} training and {len(data.test_x)} test examples, {epochs} epochs, Keras on "
        f"{keras.backend.backend()}.\n"
    )
    curves, difference = lesson(data, epochs)
    print(f"\nThe two networks with the same draws differ by at most {difference:.1e} in any weight.")
    save(curves, asked.out)


if __name__ == "__main__":
    main()
