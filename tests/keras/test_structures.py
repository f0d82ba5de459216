"""Layers whose output is not shaped like one input: tokens, embeddings, attention, on every backend."""

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
