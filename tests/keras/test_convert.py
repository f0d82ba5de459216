"""Keras' layers become ours, in place."""

import keras
import numpy as np
import pytest

import thinned.keras as tk
from tests.keras.models import K, array, dropped, ones, step_of
from thinned.errors import AddressError, BindError, RateError


class Calls(keras.Layer):
    """Draws by itself."""

    def call(self, x, training=None):
        """Keras' function."""
        return keras.random.dropout(x, 0.5) if training else x


class Helped(keras.Layer):
    """Draws in a method that its `call` calls."""

    def call(self, x, training=None):
        """Through a method."""
        return self.thinned(x) if training else x

    def thinned(self, x):
        """Keras' function."""
        return keras.random.dropout(x, 0.5)


class Attribute(keras.Layer):
    """Has a layer that is called dropout."""

    def __init__(self):
        super().__init__()
        self.dropout = K.Dropout(0.5)

    def call(self, x, training=None):
        """No function."""
        return self.dropout(x)


class Own(K.Dropout):
    """A user's subclass."""


class TestConvert:
    """`convert`."""

    def test_in_place(self):
        """A layer stays the object that it was, with its name, rate and place in the model."""
        layers = [
            K.Dropout(0.25, noise_shape=(None, 1, 4), name="a"),
            K.SpatialDropout1D(0.5, name="b"),
            K.Dropout(0.0),
        ]
        model = keras.Sequential([keras.Input((6, 4)), *layers])
        report = tk.convert(model, seed=1)

        assert layers == model.layers
        assert [tk.layers.Dropout, tk.layers.SpatialDropout1D, tk.layers.Dropout] == [type(x) for x in layers]
        assert "swapped 3, left 0\n  a: Dropout(rate=0.25)\n  b: SpatialDropout1D(rate=0.5)" in str(report)
        y = model(ones(2, 6, 4), training=True)
        a = dropped((2, 6, 4), 0.25, seed=1, site="a", share=1)
        assert np.array_equal(a * dropped((2, 6, 4), 0.5, seed=1, site="b", share=1), array(y))

    @pytest.mark.parametrize(
        ("layer", "shown"),
        [
            (lambda: K.AlphaDropout(0.25, noise_shape=(None, 1, 4)), "AlphaDropout(rate=0.25)"),
            (lambda: K.GaussianDropout(0.25), "GaussianDropout(rate=0.25)"),
            (lambda: K.GaussianNoise(0.25), "GaussianNoise(stddev=0.25)"),
            (lambda: K.GaussianNoise(0), "GaussianNoise(stddev=0)"),
        ],
    )
    def test_other_noise(self, layer, shown):
        """Becomes ours, and computes what a layer of ours would that was made so."""
        theirs = layer()
        model = keras.Sequential([keras.Input((6, 4)), theirs])
        report = tk.convert(model, seed=3)
        own = type(theirs).from_config(theirs.get_config())
        expected = tk.bind(keras.Sequential([keras.Input((6, 4)), own]), 3)

        assert [shown] == list(report.swapped.values())
        assert type(theirs) is getattr(tk.layers, type(theirs).__name__)
        x = ones(2, 6, 4)
        assert np.array_equal(array(expected(x, training=True)), array(model(x, training=True)))

    def test_a_rate_of_zero_may_be_set(self):
        """Though Keras' layer has no generator then."""
        layer = K.Dropout(0.0, seed=4)
        tk.convert(layer)
        layer.rate = 0.5

        assert np.array_equal(dropped((64,), 0.5, seed=4), array(layer(ones(64), training=True)))

    def test_a_second_time(self):
        """There is nothing to do."""
        model = keras.Sequential([K.Dropout(0.5)])
        tk.convert(model)

        assert "swapped 0, left 0" == str(tk.convert(model))

    def test_free_without_a_seed(self):
        """A generator's keys, as in Keras' layer."""
        model = keras.Sequential([keras.Input((64,)), K.Dropout(0.5, seed=9)])
        tk.convert(model)

        assert np.array_equal(dropped((1, 64), 0.5, seed=9), array(model(ones(1, 64), training=True)))

    def test_a_bound_model(self):
        """Stays bound, and takes the new layers in."""
        model = keras.Sequential([keras.Input((64,)), K.Dropout(0.5, name="late")])
        with pytest.warns(UserWarning, match="'late'"):
            tk.bind(model, 2)
        tk.convert(model)

        assert np.array_equal(
            dropped((1, 64), 0.5, seed=2, site="late"), array(model(ones(1, 64), training=True))
        )
        assert 1 == step_of(model)

    def test_attention(self):
        """The layer that Keras' attention makes for itself is swapped when it is there."""
        model = keras.Sequential([keras.Input((4, 8)), Attend()])

        assert ["attend.attention._dropout_layer"] == list(tk.convert(model, seed=0).swapped)

    @pytest.mark.parametrize(
        ("layer", "reason"),
        [
            (lambda: K.LSTM(3, dropout=0.5), r"lstm.cell: left; LSTMCell\(dropout=0.5\) draws by itself"),
            (lambda: K.GRU(3, recurrent_dropout=0.5), r"GRUCell\(recurrent_dropout=0.5\) draws by itself"),
            (lambda: Own(0.5), "Own is a class of its own"),
            (Calls, "calls dropout; use a layer of thinned.keras.layers"),
            (Helped, "helped: left; calls dropout; use a layer"),
            (lambda: K.Lambda(lambda x: keras.random.dropout(x, 0.5)), "lambda: left; calls dropout"),
            (lambda: K.Attention(dropout=0.3), r"Attention\(dropout=0.3\) draws by itself"),
            (lambda: K.AdditiveAttention(dropout=0.3), r"AdditiveAttention\(dropout=0.3\) draws by itself"),
        ],
    )
    def test_left(self, layer, reason):
        """What cannot be swapped is named, with what to do."""
        report = tk.convert(keras.Sequential([layer()]))

        assert not report.swapped
        assert 1 == str(report).count("left; ")
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(str(report))

    @pytest.mark.parametrize(
        "layer",
        [lambda: K.LSTM(3), lambda: K.Dense(3), K.Attention, Attribute],
        ids=["lstm", "dense", "attention", "own"],
    )
    def test_nothing_to_leave(self, layer):
        """Layers that draw nothing, and layers that are called dropout, are not complained of."""
        assert {} == tk.convert(keras.Sequential([layer()])).left

    def test_errors_change_nothing(self):
        """A rate that no threshold stands for, a seed that is none."""
        model = keras.Sequential([K.Dropout(0.5), K.Dropout(1e-7)])
        with pytest.raises(RateError):
            tk.convert(model)
        noise = K.GaussianNoise(0.5)
        noise.stddev = float("nan")
        with pytest.raises(RateError, match="standard deviation"):
            tk.convert(noise)
        with pytest.raises(AddressError):
            tk.convert(keras.Sequential(model.layers[:1]), seed=2**64)
        with pytest.raises(BindError, match="a Keras model or layer; got a int"):
            tk.convert(3)

        assert [K.Dropout, K.Dropout] == [type(layer) for layer in model.layers]


class Attend(keras.Layer):
    """Attention to oneself."""

    def __init__(self):
        super().__init__()
        self.attention = K.MultiHeadAttention(2, 4, dropout=0.5)

    def build(self, shape):
        """Attention makes its layers here."""
        self.attention.build(shape, shape)

    def call(self, x, training=None):
        """Shape stays."""
        return self.attention(x, x)
