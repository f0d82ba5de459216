"""Files: models, weights, configurations."""

import copy

import keras
import numpy as np
import pytest

import thinned.keras as tk
from tests.keras.models import Block, K, Tower, array, compiled, data, dropped, flat, mlp, ones, step_of
from thinned.errors import BindError


def trained(model, seed=5):
    """After two steps."""
    compiled(tk.bind(model, seed)).fit(*data(), batch_size=16, shuffle=False, verbose=0)
    return model


def tower():
    """A subclassed model that is bound with all of its layers."""
    model = Tower()
    model(ones(2, 8))
    tk.convert(model)
    return model


def nested():
    """A graph with a model and a layer of the user's in it, and parallel uses of one layer."""
    inputs = keras.Input((8,))
    drop = tk.layers.Dropout(0.5)
    x = keras.Sequential([K.Dense(8), tk.layers.Dropout(0.25), K.Dropout(0.1)])(inputs)
    x = Block()(x)
    x = K.Add()([drop(x), drop(x)])
    model = keras.Model(inputs, K.Dense(1)(x))
    tk.convert(model)
    return model


class TestModels:
    """`.keras` files."""

    @pytest.mark.parametrize("make", [mlp, nested, tower])
    def test_goes_on(self, tmp_path, make):
        """A loaded model is bound, and trains on bit for bit, though the process has built others before."""
        make()
        model = trained(make())
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert step_of(model) == step_of(loaded) == 2
        for each in (model, loaded):
            each.fit(*data(), batch_size=16, shuffle=False, verbose=0)

        assert np.array_equal(flat(model), flat(loaded))
        assert tk.sites(model) == tk.sites(loaded)
        assert step_of(loaded) == 4

    def test_a_free_model(self, tmp_path):
        """Loads free, with the same masks from the same generator."""
        model = keras.Sequential([keras.Input((64,)), tk.layers.Dropout(0.5, seed=3, noise_shape=(None, 64))])
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")

        assert np.array_equal(
            array(model(ones(2, 64), training=True)), array(loaded(ones(2, 64), training=True))
        )
        assert type(loaded) is keras.Sequential

    def test_the_whole_seed(self, tmp_path):
        """64 bits go through a file."""
        model = tk.bind(
            keras.Sequential([keras.Input((64,)), tk.layers.Dropout(0.5, name="d")]), -3, (0, 9, 4)
        )
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        expected = dropped((9, 64), 0.5, seed=-3, site="d")[4:7]

        assert np.array_equal(expected, array(loaded(ones(3, 64), training=True)))

    def test_unbound_after_loading(self, tmp_path):
        """It is of its own class again."""
        trained(mlp()).save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        tk.unbind(loaded)

        assert type(loaded) is keras.Sequential

    def test_a_bound_part(self, tmp_path):
        """Comes back bound inside its whole."""
        part = tk.bind(keras.Sequential([keras.Input((64,)), tk.layers.Dropout(0.5, name="drop")]), 1)
        whole = keras.Sequential([keras.Input((64,)), part])
        whole(ones(1, 64), training=True)
        whole.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        y = loaded(ones(1, 64), training=True)

        assert np.array_equal(dropped((1, 64), 0.5, seed=1, site="drop", step=1), array(y))

    def test_missing_layers(self, tmp_path, monkeypatch):
        """A class that has changed since is an error when it trains, and no silent change of masks."""
        trained(tower()).save(tmp_path / "model.keras")
        monkeypatch.setattr(Tower, "size", 1)
        loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
        with pytest.raises(BindError, match=r"got more or fewer: 'second.drop'"):
            loaded(ones(2, 8), training=True)


class TestWeights:
    """`.weights.h5` files."""

    def test_goes_on(self, tmp_path):
        """Weights bring the seed and the step with them."""
        model = trained(mlp())
        model.save_weights(tmp_path / "a.weights.h5")
        other = compiled(tk.bind(mlp(), 99))
        other.load_weights(tmp_path / "a.weights.h5")

        assert (2, 5) == (step_of(other), other._thinned_address.seed)
        for each in (model, other):
            each.train_on_batch(*data())
        assert np.array_equal(flat(model), flat(other))

    @pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
    def test_from_before_binding(self, tmp_path):
        """Load into a bound model, which keeps its own seed and step."""
        free = mlp()
        free.save_weights(tmp_path / "a.weights.h5")
        free.save(tmp_path / "a.keras")
        model = trained(mlp())
        for name in ("a.weights.h5", "a.keras"):
            model.load_weights(tmp_path / name)

            assert np.array_equal(flat(free), flat(model))
            assert (2, 5) == (step_of(model), model._thinned_address.seed)

    def test_of_a_bound_model(self, tmp_path):
        """Load into a free one, without their address."""
        model = trained(mlp())
        model.save_weights(tmp_path / "a.weights.h5")
        free = mlp()
        free.load_weights(tmp_path / "a.weights.h5")

        assert np.array_equal(flat(model), flat(free))

    def test_spoilt(self):
        """An address that was averaged with the weights is refused."""
        model = tk.bind(mlp(), 0)
        with pytest.raises(BindError, match="cast or averaged"):
            model._thinned_address.load_own_variables({"address": np.ones(3, "float32")})


class TestCopies:
    """What else makes a model of a model."""

    def test_clone(self):
        """Is free, of the class that the model had, with its layers' names."""
        model = tk.bind(mlp(), 1)
        clone = keras.models.clone_model(model)

        assert type(clone) is keras.Sequential
        assert [site.name for site in tk.sites(model)] == [site.name for site in tk.sites(clone)]

    def test_clone_of_a_graph(self):
        """Too."""
        assert "Functional" == type(keras.models.clone_model(tk.bind(nested(), 1))).__name__

    @pytest.mark.parametrize("make", [mlp, nested])
    def test_deepcopy(self, make):
        """Is bound, with a step of its own."""
        model = trained(make())
        other = copy.deepcopy(model)
        model.train_on_batch(*data())

        assert (3, 2) == (step_of(model), step_of(other))

    def test_json(self):
        """A configuration keeps the seed; the step is in the weights."""
        model = keras.models.model_from_json(trained(mlp()).to_json())

        assert (0, 5) == (step_of(model), model._thinned_address.seed)
