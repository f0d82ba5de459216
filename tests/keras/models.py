"""Models that the tests of Keras share, and how they look at them."""

import keras
import numpy as np

import thinned.keras as tk
from thinned.mask import keep

K = keras.layers


def array(x):
    """As NumPy has it, off the graph."""
    return np.array(keras.ops.convert_to_numpy(keras.ops.stop_gradient(x)))


def kept(y):
    """Where something was kept of ones."""
    return array(y) != 0


def ones(*shape):
    """A float32 array."""
    return np.ones(shape, "float32")


def dropped(shape, rate, **address):
    """What the law makes of ones."""
    share = address.pop("share", ())
    mask = np.broadcast_to(keep(shape, rate, share=share, **address), shape)
    return np.where(mask, np.float32(1 / (1 - rate)), np.float32(0))


def mlp(**arguments):
    """A network with two layers of dropout, called `drop1` and `drop2`."""
    return keras.Sequential(
        [
            keras.Input((8,)),
            K.Dense(16, activation="relu"),
            tk.layers.Dropout(0.25, name="drop1"),
            K.Dense(16, activation="relu"),
            tk.layers.Dropout(0.5, name="drop2"),
            K.Dense(1),
        ],
        **arguments,
    )


def data(rows=32):
    """Inputs and targets."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(rows, 8)).astype("float32"), generator.normal(size=(rows, 1)).astype(
        "float32"
    )


def compiled(model):
    """Ready to be fitted."""
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    return model


def flat(model):
    """All weights in one vector."""
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def step_of(model):
    """Training calls so far."""
    return model._thinned_address.step


@keras.saving.register_keras_serializable("tests")
class Linear(keras.Layer):
    """A matrix; its `call` takes no keywords, which TensorFlow's recomputation cannot pass on."""

    def build(self, shape):
        """One weight."""
        self.w = self.add_weight(shape=(shape[-1], shape[-1]))
        self.built = True

    def call(self, x):
        """Shape stays."""
        return keras.ops.tanh(x @ self.w)


@keras.saving.register_keras_serializable("tests")
class Block(keras.Layer):
    """A matrix and dropout, which Keras must tell that it trains."""

    def __init__(self, rate=0.5, **arguments):
        super().__init__(**arguments)
        self.rate = rate
        self.linear, self.drop = Linear(), tk.layers.Dropout(rate)

    def build(self, shape):
        """The matrix."""
        self.linear.build(shape)
        self.built = True

    def compute_output_shape(self, shape):
        """Shape stays."""
        return shape

    def call(self, x, training=None):
        """`training` is left to Keras' context."""
        return self.linear(self.drop(x))


@keras.saving.register_keras_serializable("tests")
class Tower(keras.Model):
    """A subclassed model: layers in attributes and in a list, with and without names."""

    size = 2

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.first = tk.layers.Dropout(0.25)
        self.blocks = [Block(), Block(name="second")][: self.size]
        self.attention = K.MultiHeadAttention(2, 4, dropout=0.1)
        self.out = K.Dense(1)

    def call(self, x, training=None):
        """Scores."""
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        x = keras.ops.reshape(x, (-1, 2, 4))
        return self.out(keras.ops.reshape(self.attention(x, x), (-1, 8)))
