"""Layers whose output is not shaped like one input, and layers that hold others, on every backend."""

import keras
import numpy as np
import pytest

import thinned
import thinned.keras as tk
from tests.keras.catalogue import LEVEL, SEED, L, inputs
from tests.keras.models import array, step_of
from thinned.errors import BindError
from thinned.mask import keep
from thinned.methods.patch_dropout import subset

WORDS = np.array([[3, 8, 3, 0], [0, 8, 7, 2]])


def at(name, step):
    """An address as the truth takes it."""
    return {"seed": SEED, "site": name, "step": step}


class TestPatchDropout:
    """Tokens that stay."""

    @pytest.mark.parametrize("ordered", [False, True])
    def test_bound(self, ordered):
        """A subset at each step's address, behind the prefix; evaluation has them all."""
        model = tk.bind(keras.Sequential([L.PatchDropout(0.5, ordered=ordered, name="few")]), SEED)
        x = inputs((5, 1 + 12, 3))
        for step in range(2):
            (seed, site, _, draw) = thinned.mask.address.coordinates(SEED, "few")
            found = subset((5, 12), 6, (seed, site, step, draw), ordered=ordered)
            chosen = np.concatenate([np.zeros((5, 1), int), found + 1], axis=1)
            expected = np.take_along_axis(x, chosen[..., None], 1)
            assert np.array_equal(expected, array(model(x, training=True)))
        assert np.array_equal(x, array(model(x)))

    def test_trains(self, tmp_path):
        """In a compiled model, whose gradient reaches kept tokens alone, and which loads again."""
        stack = [keras.Input((9, 3)), keras.layers.Dense(4), L.PatchDropout(0.5, name="few")]
        model = keras.Sequential([*stack, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)])
        model = tk.bind(model, SEED)
        model.compile(optimizer="sgd", loss="mse")
        model.fit(inputs((8, 9, 3)), inputs((8, 1)), batch_size=4, epochs=1, verbose=0)
        assert 2 == step_of(model)
        assert (None, None, 4) == model.layers[1].output.shape
        assert [(None, 8)] == [site.mask_shape for site in thinned.sites(model)]
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        x = inputs((8, 9, 3))
        assert np.array_equal(array(model(x, training=True)), array(loaded(x, training=True)))

    def test_parts_of_a_batch(self):
        """Have the subsets of the whole."""
        x = inputs((6, 9, 3))
        whole = tk.bind(keras.Sequential([L.PatchDropout(0.5, name="few")]), SEED)(x, training=True)
        parts = [
            tk.bind(keras.Sequential([L.PatchDropout(0.5, name="few")]), SEED, (0, 6, start))(
                x[start : start + 3], training=True
            )
            for start in (0, 3)
        ]
        assert np.array_equal(array(whole), np.concatenate([array(part) for part in parts]))
        model = tk.bind(keras.Sequential([L.PatchDropout(0.5)]), SEED, (1, 18, 0))
        with pytest.raises(BindError, match="a batch on axis 0"):
            model(x, training=True)


class TestEmbeddingDropout:
    """Words that are dropped."""

    def layer(self, **arguments):
        """With a matrix that has no zeros."""
        layer = L.EmbeddingDropout(9, 4, rate=LEVEL, name="words", **arguments)
        layer.build()
        layer.set_weights([inputs((9, 4))])
        return layer

    def test_bound(self):
        """A row has one draw, wherever it stands, and whichever part of a batch it is in."""
        matrix = inputs((9, 4))
        for batch in (None, (0, 8, 4)):
            model = tk.bind(keras.Sequential([self.layer()]), SEED, batch)
            for step in range(2):
                mask = keep((9, 4), LEVEL, share=1, **at("words", step))
                expected = np.where(mask, matrix * np.float32(1 / (1 - LEVEL)), np.float32(0))
                assert np.array_equal(expected[WORDS], array(model(WORDS, training=True)))
            assert np.array_equal(matrix[WORDS], array(model(WORDS)))

    def test_trains(self, tmp_path):
        """Dropped rows have no gradient; the trained model loads again, and knows its words' mask."""
        layer = self.layer(mask_zero=True)
        model = tk.bind(keras.Sequential([keras.Input((4,), dtype="int32"), layer]), SEED)
        model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
        model.train_on_batch(WORDS, inputs((2, 4, 4), 3))
        moved = (np.array(layer.get_weights()[0]) != inputs((9, 4))).any(1)
        kept = keep((9, 4), LEVEL, share=1, **at("words", 0))[:, 0]
        assert np.array_equal(kept & np.isin(np.arange(9), WORDS) & (np.arange(9) > 0), moved)
        assert layer.compute_mask(WORDS) is not None
        assert [(9, 1)] == [site.mask_shape for site in thinned.sites(model)]
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert np.array_equal(array(model(WORDS, training=True)), array(loaded(WORDS, training=True)))


class TestMultiHeadAttention:
    """Keras' attention, with three ways to drop in it."""

    def made(self, **rates):
        """A model of one layer, and its weights."""
        x = keras.Input((6, 8))
        layer = L.MultiHeadAttention(4, 2, name="mha", use_bias=False, **rates)
        return keras.Model(x, layer(x, x, use_causal_mask=True)), layer

    def test_bound(self):
        """What drops where, at the three sites, under a causal mask."""
        model, layer = self.made(dropout=LEVEL, drop_head=LEVEL, drop_key=0.5)
        q, k, v, out = layer.get_weights()
        tk.bind(model, SEED)
        x = inputs((3, 6, 8))
        for step in range(2):
            logits = np.einsum("btd,dhe,bsf,fhe->bhts", x, q, x, k) / 2**0.5
            allowed = np.where(np.tril(np.ones((6, 6))), logits, -np.inf)
            hidden = np.where(keep(allowed.shape, 0.5, **at("mha.drop_key", step)), allowed, -np.inf)
            seen = np.where((hidden == -np.inf).all(-1, keepdims=True), allowed, hidden)
            w = np.exp(seen - seen.max(-1, keepdims=True))
            w = w / w.sum(-1, keepdims=True) * keep(w.shape, LEVEL, **at("mha.dropout", step)) / (1 - LEVEL)
            heads = keep(w.shape, LEVEL, share=(2, 3), **at("mha.drop_head", step))
            w = w * heads * 4 / heads.sum(1, keepdims=True).clip(1)
            expected = np.einsum("bhts,bsd,dhe,hef->btf", w, x, v, out)
            assert np.abs(expected - array(model(x, training=True))).max() < 1e-5
        names = ["mha.drop_head", "mha.drop_key", "mha.dropout"]
        assert names == sorted(site.name for site in thinned.sites(model))

    def test_evaluation_and_configuration(self, tmp_path):
        """Is Keras' own; a file of it loads as it was."""
        model, layer = self.made(dropout=0.1, drop_key=thinned.early(0.5, until=9))
        plain = keras.layers.MultiHeadAttention(4, 2, use_bias=False, dropout=0.1)
        x = inputs((3, 6, 8))
        plain(x, x)
        plain.set_weights(layer.get_weights())
        assert np.abs(array(plain(x, x, use_causal_mask=True)) - array(model(x))).max() < 1e-6
        tk.bind(model, SEED)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert np.array_equal(array(model(x, training=True)), array(loaded(x, training=True)))
        assert layer.get_config() == loaded.layers[1].get_config()


class TestZoneout:
    """A recurrent network whose states stay."""

    X = inputs((3, 5, 4))

    def model(self, cell=None, **arguments):
        """One layer, bound."""
        cell = keras.layers.SimpleRNNCell(6) if cell is None else cell
        layer = L.Zoneout(cell, 0.25, name="rnn", return_sequences=True, **arguments)
        return tk.bind(keras.Sequential([keras.Input((5, 4)), layer]), SEED), layer

    @pytest.mark.parametrize("options", [{}, {"unroll": True}, {"go_backwards": True}], ids=str)
    def test_bound(self, options):
        """What each state is, step by step; evaluation takes the mean."""
        model, layer = self.model(**options)
        kernel, recurrent, bias = layer.get_weights()
        x = self.X[:, ::-1] if options.get("go_backwards") else self.X
        for step in range(3):
            masks = keep((5, 3, 6), 0.25, **at("rnn/hidden", step))
            found = model(self.X, training=step < 2)
            h = np.zeros((3, 6))
            for t in range(5):
                new = np.tanh(x[:, t] @ kernel + h @ recurrent + bias)
                h = np.where(masks[t], new, h) if step < 2 else 0.75 * new + 0.25 * h
                # A step's ten products and a tanh, over five steps whose states feed the next.
                assert np.abs(h - array(found)[:, t]).max() < 1e-5
        assert [(5, None, 6)] == [site.mask_shape for site in thinned.sites(model)]

    def test_memory(self, tmp_path):
        """An LSTM has two draws, and trains, and loads again; masked steps change nothing."""
        model, layer = self.model(keras.layers.LSTMCell(6), rate_cell=thinned.early(0.5, until=9))
        assert ["rnn/hidden", "rnn/cell"] == [site.name for site in thinned.sites(model)]
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        before = [np.array(weight) for weight in layer.get_weights()]
        model.fit(self.X, np.ones((3, 5, 6)), epochs=2, verbose=0)
        assert all(np.any(old != new) for old, new in zip(before, layer.get_weights(), strict=True))
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert np.array_equal(array(model(self.X, training=True)), array(loaded(self.X, training=True)))
        assert (0.25, layer.rate_cell) == (loaded.layers[0].rate, loaded.layers[0].rate_cell)
        assert array(model(self.X)).shape == (3, 5, 6)  # evaluation, too, at a schedule's step

    def test_parts_of_a_batch(self):
        """Have the masks of the whole."""
        model, layer = self.model()
        parts = []
        for start in (0, 1):
            part = L.Zoneout(keras.layers.SimpleRNNCell(6), 0.25, name="rnn", return_sequences=True)
            part = keras.Sequential([keras.Input((5, 4)), part])
            part.set_weights(layer.get_weights())
            rows = self.X[:1] if start == 0 else self.X[1:]
            parts.append(array(tk.bind(part, SEED, (0, 3, start))(rows, training=True)))
        whole = array(model(self.X, training=True))
        assert np.abs(whole - np.concatenate(parts)).max() < 1e-6

    def test_errors(self):
        """Cells that do not fit."""
        with pytest.raises(TypeError, match="with an LSTMCell only"):
            L.Zoneout(keras.layers.GRUCell(3), rate_cell=0.5)
        with pytest.raises(TypeError, match="expected one cell"):
            L.Zoneout([keras.layers.GRUCell(3), keras.layers.GRUCell(3)])


class Counting(keras.layers.Dense):
    """A matrix that counts, in Python, how often it is run."""

    runs = 0

    def call(self, x):
        """Its runs, as eager code sees them."""
        Counting.runs += 1
        return super().call(x)


class TestDepth:
    """Blocks and layers that are not run."""

    X = inputs((3, 4))

    def outputs(self, layers, weights, name, step):
        """What the law says of a stack, or of a block."""
        x = self.X
        kept = keep((len(layers),), 0.5, **at(name, step))
        for (kernel, bias), runs in zip(weights, kept, strict=True):
            y = x @ kernel + bias
            x = (y if len(layers) > 1 else x + 2 * y) if runs else x
        return x, int(kept.sum())

    @pytest.mark.parametrize("kind", ["block", "stack"])
    def test_bound(self, kind):
        """A dropped layer is not run; its weights have gradients of zero, so that momentum goes on."""
        layers = [Counting(4, bias_initializer="ones") for _ in range(4 if kind == "stack" else 1)]
        made = (
            L.LayerDrop(layers, 0.5, name=kind)
            if kind == "stack"
            else L.StochasticDepth(layers[0], 0.5, name=kind)
        )
        model = tk.bind(keras.Sequential([keras.Input((4,)), made]), SEED)
        weights = [layer.get_weights() for layer in layers]
        seen = set()
        for step in range(5):
            expected, kept = self.outputs(layers, weights, kind, step)
            Counting.runs = 0
            assert np.abs(expected - array(model(self.X, training=True))).max() < 1e-5
            assert kept == Counting.runs
            seen.add(kept)
        assert len(seen) > 1
        Counting.runs = 0
        model(self.X)
        assert len(layers) == Counting.runs
        assert [(len(layers),) if kind == "stack" else (1, 1)] == [s.mask_shape for s in thinned.sites(model)]

    @pytest.mark.parametrize("eager", [False, True], ids=["compiled", "eager"])
    def test_trains(self, tmp_path, eager):
        """In Keras' own loop: what is dropped stays where it is; statistics move; the model loads again."""
        inner = keras.Sequential([keras.layers.Dense(4), keras.layers.BatchNormalization(), L.Dropout(0.5)])
        parts = [L.StochasticDepth(inner, 0.5, name="block")]
        parts += [L.LayerDrop([keras.layers.Dense(4), keras.layers.Dense(4)], 0.5, name="stack")]
        model = tk.bind(keras.Sequential([keras.Input((4,)), *parts, keras.layers.Dense(1)]), SEED)
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse", run_eagerly=eager)
        for step in range(4):
            before = [np.array(weight) for weight in (*inner.get_weights()[:1], *parts[1].get_weights()[::2])]
            model.train_on_batch(self.X, np.ones((3, 1)))
            after = [np.array(weight) for weight in (*inner.get_weights()[:1], *parts[1].get_weights()[::2])]
            moved = [bool(np.any(a != b)) for a, b in zip(before, after, strict=True)]
            kept = [*keep((1,), 0.5, **at("block", step)), *keep((2,), 0.5, **at("stack", step))]
            assert [bool(each) for each in kept] == moved
        assert 4 == step_of(model)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        y = array(model(self.X, training=True))
        assert np.abs(y - array(loaded(self.X, training=True))).max() < 1e-6

    def test_errors(self):
        """Layers that cannot be left out."""
        for layer in (L.LayerDrop([keras.layers.Dense(3)]), L.StochasticDepth(keras.layers.Dense(3))):
            with pytest.raises(ValueError, match="expected"):
                layer(self.X)
        with pytest.raises(TypeError, match="a branch that is a Keras layer"):
            L.StochasticDepth(len)
