"""Keras on the backend that it was started with: layers of a bound model, compiled by `model.compile`."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

import thinned.keras
from thinned.lab.frameworks.ledger import Array, Tap
from thinned.lab.frameworks.setting import LINEAR, SITES, Setting
from thinned.lab.frameworks.trainer import tested
from thinned.lab.frameworks.weights import Weights


class Tapped(keras.layers.Layer):  # type: ignore[misc]
    """Passes what it is given, and keeps a copy of it in training.

    A variable is the way out of a compiled step on every backend.

    Args:
        shape: of what it is given in training.
    """

    def __init__(self, shape: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seen = self.add_weight(shape=shape, initializer="zeros", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        """`x` itself."""
        if training:
            self.seen.assign(keras.ops.stop_gradient(x))
        return x


class Linear(keras.layers.Dense):  # type: ignore[misc]
    """A `Dense` whose product is the backend's own.

    Keras' `matmul` computes float64 in float32 on PyTorch (https://github.com/keras-team/keras/issues/23223).
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The affine map, and then the activation."""
        return self.activation(inputs @ self.kernel.value + self.bias.value)


class Trainer:
    """See `trainer.Trainer`. The built-in is `keras.layers.Dropout` with the same seed."""

    def __init__(self, setting: Setting, weights: Weights) -> None:
        keras.config.set_floatx(setting.dtype)  # of losses and metrics
        keras.config.set_dtype_policy(
            setting.dtype
        )  # of layers; once it is asked for, floatx moves it no more
        keras.utils.set_random_seed(setting.seed)
        law = setting.drops == "law"
        drop = thinned.keras.layers.Dropout if law else keras.layers.Dropout
        shape = (setting.batch, setting.hidden)
        h = inputs = keras.Input((weights["lin1.weight"].shape[1],))
        self.taps = []
        for lin, site, rate in zip(LINEAR, SITES, setting.rates, strict=False):
            before, after = (Tapped(shape, name=f"{site}_{side}") for side in ("before", "after"))
            h = Linear(setting.hidden, rectified, name=lin)(h)
            h = after(drop(rate, seed=setting.seed, name=site)(before(h)))
            self.taps.append((before, after))
        classes = len(weights["lin3.bias"])
        self.last = Tapped((setting.batch, classes))
        self.model = keras.Model(inputs, self.last(Linear(classes, name=LINEAR[-1])(h)))
        for name in LINEAR:
            self.model.get_layer(name).set_weights([weights[f"{name}.weight"].T, weights[f"{name}.bias"]])
        if law:
            thinned.keras.bind(self.model, seed=setting.seed)
        self.model.compile(
            keras.optimizers.SGD(setting.lr), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )

    def train(self, x: Array, y: Array) -> tuple[float, Sequence[Tap]]:
        """`train_on_batch`; its loss, which Keras rounds to float32 on PyTorch, is taken from the scores."""
        self.model.train_on_batch(x, y)
        loss, _ = tested(keras.ops.convert_to_numpy(self.last.seen), y)
        pairs = [[keras.ops.convert_to_numpy(tap.seen) for tap in pair] for pair in self.taps]
        return loss, [(before, after) for before, after in pairs]

    def scores(self, x: Array) -> Array:
        """With dropout off."""
        return np.asarray(keras.ops.convert_to_numpy(self.model(x, training=False)))


def rectified(z: Any) -> Any:
    """The greater of z and 0; a unit that is off is -0, whose sign tells whether dropout kept it."""
    return keras.ops.where(z > 0, z, keras.ops.cast(-0.0, z.dtype))
