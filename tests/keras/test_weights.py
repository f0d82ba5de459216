"""What is done with weights, and with rates that are weights, on every backend."""

import keras
import numpy as np
import pytest

import thinned
import thinned.keras as tk
from tests.keras.catalogue import LEVEL, SEED, L, inputs
from tests.keras.models import array
from thinned.mask import keep


def at(name, step):
    """An address as the truth takes it."""
    return {"seed": SEED, "site": name, "step": step}


class TestConcreteDropout:
    """A rate that is learned."""

    @pytest.mark.parametrize("convolution", [False, True], ids=["dense", "convolution"])
    def test_bound(self, convolution):
        """The law's uniforms, relaxed; the regulariser among the losses; evaluation is the layer."""
        inner = keras.layers.Conv1D(2, 3) if convolution else keras.layers.Dense(2)
        layer = L.ConcreteDropout(inner, 0.3, 0.01, 0.1, name="soft")
        shape, share = ((5, 6, 4), 1) if convolution else ((8, 4), ())
        model, x = tk.bind(keras.Sequential([keras.Input(shape[1:]), layer]), SEED), inputs(shape)
        a = np.log(0.3 / 0.7)
        for step in range(2):
            u = thinned.mask.uniform(shape, share=share, **at("soft", step))
            m = 1 / (1 + np.exp((a + np.log((1 - u) / u)) / 0.1)) / 0.7
            expected = array(inner((x * m).astype("float32")))
            assert np.abs(expected - array(model(x, training=True))).max() < 1e-4
        squares = np.square(layer.layer.get_weights()[0]).sum()
        entropy = 0.3 * np.log(0.3) + 0.7 * np.log(0.7)
        (loss,) = model.losses
        assert abs(0.01 * squares / 0.7 + 0.1 * 4 * entropy - float(array(loss))) < 1e-5
        assert np.array_equal(array(inner(x)), array(model(x)))
        assert [(None, 1, 4) if convolution else (None, 4)] == [
            site.mask_shape for site in thinned.sites(model)
        ]

    def test_trains(self, tmp_path):
        """In Keras' own loop, and loads with what it has learned."""
        layer = L.ConcreteDropout(keras.layers.Dense(2), 0.3)
        model = tk.bind(keras.Sequential([keras.Input((4,)), layer]), SEED)
        model.compile(optimizer=keras.optimizers.SGD(0.5), loss="mse")
        model.fit(inputs((8, 4)), np.ones((8, 2)), epochs=3, verbose=0)
        assert abs(layer.learned - 0.3) > 1e-3
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert layer.learned == loaded.layers[0].learned
        x = inputs((8, 4))
        assert np.array_equal(array(model(x, training=True)), array(loaded(x, training=True)))


class TestWeightDrop:
    """A recurrent network with thinned weights."""

    X = inputs((3, 5, 4))

    def test_bound(self, tmp_path):
        """The mask is of the matrix as PyTorch keeps it; weights stay raw; what is dropped has no gradient."""
        inner = keras.layers.SimpleRNN(6, return_sequences=True)
        layer = L.WeightDrop(inner, LEVEL, name="rnn")
        model = tk.bind(keras.Sequential([keras.Input((5, 4)), layer]), SEED)
        kernel, recurrent, bias = inner.get_weights()
        for step in range(2):
            mask = keep((6, 6), LEVEL, **at("rnn/weight_hh_l0", step)).T
            h, found = np.zeros((3, 6)), array(model(self.X, training=True))
            for t in range(5):
                h = np.tanh(self.X[:, t] @ kernel + h @ (recurrent * mask / (1 - LEVEL)) + bias)
                assert np.abs(h - found[:, t]).max() < 1e-5
            assert np.array_equal(recurrent, inner.get_weights()[1])
        assert np.abs(array(inner(self.X)) - array(model(self.X))).max() < 1e-6
        assert [("rnn/weight_hh_l0", (6, 6))] == [(s.name, s.mask_shape) for s in thinned.sites(model)]
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
        model.train_on_batch(self.X, np.ones((3, 5, 6)))
        mask = keep((6, 6), LEVEL, **at("rnn/weight_hh_l0", 2)).T
        assert np.array_equal(mask, inner.get_weights()[1] != recurrent)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert np.array_equal(array(model(self.X, training=True)), array(loaded(self.X, training=True)))

    def test_states(self):
        """A stateful network keeps its state, and generators of its own go on."""
        inner = keras.layers.LSTM(3, stateful=True, dropout=0.5, seed=1)
        layer = L.WeightDrop(inner, LEVEL, seed=0)
        first, second = array(layer(self.X, training=True)), array(layer(self.X, training=True))
        assert np.any(array(inner.states[0]) != 0)
        assert not np.array_equal(first, second)

    def test_errors(self):
        """What has no hidden-to-hidden weights."""
        with pytest.raises(TypeError, match="expected an LSTM, GRU or SimpleRNN"):
            L.WeightDrop(keras.layers.Dense(3))


class TestConnectedPerExample:
    """`Dense` with a mask for each example."""

    def test_bound(self):
        """Whole, and in parts of a batch; biases, too."""
        layer = L.DropConnect(3, LEVEL, per="example", name="fc", bias_initializer="ones")
        model, x = tk.bind(keras.Sequential([keras.Input((2, 8)), layer]), SEED), inputs((4, 2, 8))
        kernel, bias = layer.get_weights()
        found = []
        for step in range(2):
            k = keep((4, 3, 8), LEVEL, **at("fc/weight", step)) * kernel.T / (1 - LEVEL)
            b = keep((4, 3), LEVEL, **at("fc/bias", step)) * bias / (1 - LEVEL)
            expected = np.einsum("bti,boi->bto", x, k) + b[:, None]
            found.append(array(model(x, training=True)))
            assert np.abs(expected - found[-1]).max() < 10 * 64 * 2**-24
        part = keras.Sequential([keras.Input((2, 8)), L.DropConnect(3, LEVEL, per="example", name="fc")])
        part.set_weights(layer.get_weights())
        tk.bind(part, SEED, (0, 4, 2))
        assert np.abs(found[0][2:] - array(part(x[2:], training=True))).max() < 1e-5
        assert [(None, 3, 8), (None, 3)] == [site.mask_shape for site in thinned.sites(model)]


class TestOfModels:
    """What is done with weights and predictions."""

    def test_max_norm(self):
        """Units within the ball keep every bit, which Keras' own constraint takes from them."""
        w = np.array([[3.0, 0.003], [4.0, 0.004]], "float32")
        found = array(tk.MaxNorm(1.0)(w))
        assert np.abs(found[:, 0] - [0.6, 0.8]).max() < 1e-6
        assert np.array_equal(w[:, 1], found[:, 1])
        assert np.array_equal(found, array(tk.MaxNorm(1.0)(found)))
        assert not np.array_equal(w[:, 1], array(keras.constraints.MaxNorm(1.0)(w))[:, 1])
        again = keras.constraints.deserialize(keras.constraints.serialize(tk.MaxNorm(1.0, [0])))
        assert again.get_config() == {"max_value": 1.0, "axis": [0]}

    def test_max_norm_of_half_types(self):
        """Squares do not overflow; what is not finite is left alone."""
        w = np.full((300, 2), 30.0, "float16")
        w[0, 1] = np.inf
        found = array(tk.MaxNorm(1.0)(keras.ops.array(w)))
        assert "float16" == found.dtype
        assert abs(np.linalg.norm(found[:, 0].astype("float64")) - 1) < 2**-10
        assert np.array_equal(w[:, 1], found[:, 1])

    def test_r_drop(self):
        """The divergence of two predictions, without what is ignored."""
        one, two = inputs((6, 5)), inputs((6, 5), 2)
        targets = np.array([1, 2, -100, 0, 4, 4])
        logs = [x - np.log(np.exp(x).sum(1, keepdims=True)) for x in (one, two)]
        apart = 0.5 * ((np.exp(logs[0]) - np.exp(logs[1])) * (logs[0] - logs[1])).sum(1)
        counts = targets >= 0
        entropy = -sum(log[counts, targets[counts]].mean() for log in logs)
        found = tk.r_drop_loss(keras.ops.array(one), keras.ops.array(two), targets, 0.7)
        assert abs(entropy + 0.7 * apart[counts].mean() - float(found)) < 1e-5
        with pytest.raises(ValueError, match="logits of one shape"):
            tk.r_drop_loss(keras.ops.array(one), keras.ops.array(two[:3]), targets)
