"""`Dense` with thinned weights, on every backend."""

import keras
import numpy as np
import pytest

import thinned
import thinned.keras as tk
from tests.keras.catalogue import LEVEL, SEED, L, inputs
from tests.keras.models import array, ones
from thinned.mask import keep


class TestDropConnect:
    """`Dense` with thinned weights."""

    def layer(self, **arguments):
        """With a kernel and a bias that are not 0."""
        layer = L.DropConnect(3, LEVEL, name="fc", **arguments)
        layer.build((None, 8))
        layer.set_weights([inputs((8, 3)), *([inputs((3,), 2)] if layer.use_bias else [])])
        return layer

    @pytest.mark.parametrize("activation", [None, "relu"])
    def test_bound(self, activation):
        """Weights have the order of PyTorch's, and the bias a site of its own."""
        layer = self.layer(activation=activation)
        model, x = tk.bind(keras.Sequential([layer]), SEED), inputs((5, 8))
        kernel, bias = (np.asarray(weight) for weight in layer.get_weights())
        for step in range(2):
            at = {"seed": SEED, "step": step}
            k = keep((3, 8), LEVEL, site="fc/weight", **at).T * kernel / (1 - LEVEL)
            b = keep((3,), LEVEL, site="fc/bias", **at) * bias / (1 - LEVEL)
            expected = x @ k + b
            # A sum of nine products, each rounded, of numbers whose sizes add up to less than 64.
            actual = array(model(x, training=True))
            assert (
                np.abs((np.maximum(expected, 0) if activation else expected) - actual).max()
                < 10 * 64 * 2**-24
            )

    @pytest.mark.parametrize(
        ("arguments", "names"),
        [
            ({}, ["fc/weight", "fc/bias"]),
            ({"drop_bias": False}, ["fc/weight"]),
            ({"use_bias": False}, ["fc/weight"]),
        ],
    )
    def test_sites(self, arguments, names):
        """One for each draw; a bias that is not dropped stays."""
        layer = self.layer(**arguments)
        model = tk.bind(keras.Sequential([keras.Input((8,)), layer]), SEED)
        y = array(model(np.zeros((2, 8), "float32"), training=True))

        assert names == [site.name for site in thinned.sites(model)]
        assert [(3, 8), (3,)][: len(names)] == [site.mask_shape for site in thinned.sites(model)]
        if "drop_bias" in arguments:
            assert np.array_equal(np.stack([inputs((3,), 2)] * 2), y)

    def test_evaluation_is_dense(self):
        """And so is training at rate 0; rate 1 leaves nothing."""
        layer, x = self.layer(), inputs((5, 8))
        plain = keras.layers.Dense(3)
        plain.build((None, 8))
        plain.set_weights(layer.get_weights())
        expected = array(plain(x))
        assert np.array_equal(expected, array(layer(x)))
        layer.rate = 0
        assert np.array_equal(expected, array(layer(x, training=True)))
        layer.rate = 1
        assert not array(layer(x, training=True)).any()

    def test_trains(self, tmp_path):
        """Dropped weights have no gradient; the trained model loads again."""
        layer = self.layer(use_bias=False)
        model = tk.bind(keras.Sequential([keras.Input((8,)), layer]), SEED)
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
        before = np.array(layer.get_weights()[0])
        model.train_on_batch(inputs((5, 8)), inputs((5, 3), 3))
        moved = np.array(layer.get_weights()[0]) != before
        assert np.array_equal(keep((3, 8), LEVEL, seed=SEED, site="fc/weight").T, moved)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")

        x = inputs((5, 8))
        assert np.array_equal(array(model(x, training=True)), array(loaded(x, training=True)))

    def test_used_twice(self):
        """Each use draws both parts anew."""

        class Twice(keras.Model):
            def __init__(self):
                super().__init__()
                self.fc = L.DropConnect(8, LEVEL, bias_initializer="ones", kernel_initializer="zeros")

            def call(self, x, training=None):
                return keras.ops.stack([self.fc(x), self.fc(x)])

        first, second = array(tk.bind(Twice(), 3)(ones(1, 8), training=True))
        for found, site in ((first, "fc/bias"), (second, "fc/bias#1")):
            assert np.array_equal(keep((8,), LEVEL, seed=3, site=site), found[0] != 0)

    @pytest.mark.parametrize("root", [False, True], ids=["parts", "root"])
    def test_recomputed(self, root):
        """Under `RematScope` it has the masks of the first run."""
        x, found = inputs((5, 8)), []
        for scope in (False, True):
            with keras.RematScope("full" if scope else None):
                layer = L.DropConnect(8, LEVEL, name="fc", kernel_initializer="ones")
                drop = L.LockedDropout(LEVEL, name="drop")
                stack = [layer, keras.layers.Reshape((2, 4)), drop, keras.layers.Flatten()]
                model = keras.Sequential([keras.Input((8,)), *stack]) if root else None
            model = tk.bind(model or keras.Sequential([keras.Input((8,)), *stack]), 1)
            model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
            for _ in range(2):
                model.train_on_batch(x, x)
            found.append(np.array(layer.get_weights()[0]))

        assert np.abs(found[0] - found[1]).max() < 1e-5
