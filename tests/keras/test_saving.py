"""Files: models, weights, configurations."""

import copy
import pickle

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

    @pytest.mark.parametrize("make", [mlp, nested, tower])
    def test_pickle(self, make):
        """Is bound, and trains on bit for bit."""
        model = trained(make())
        other = pickle.loads(pickle.dumps(model))  # noqa: S301  our own
        for each in (model, other):
            each.fit(*data(), batch_size=16, shuffle=False, verbose=0)

        assert step_of(model) == step_of(other) == 4
        assert np.array_equal(flat(model), flat(other))

    def test_of_a_class_from_its_configuration(self):
        """Is bound, from step 0: only its configuration says what it is."""
        model = trained(tower())
        for copied in (keras.models.clone_model(model), type(model).from_config(model.get_config())):
            copied(ones(2, 8))

            assert (0, 5) == (step_of(copied), copied._thinned_address.seed)
            assert tk.sites(model) == tk.sites(copied)


class TestInside:
    """A bound model in a bound model, which was bound after it."""

    def models(self):
        """The whole and its part."""
        part = keras.Sequential([keras.Input((64,)), tk.layers.Dropout(0.5, name="drop")], name="part")
        whole = keras.Sequential([keras.Input((64,)), tk.layers.Dropout(0.25, name="first"), part])
        tk.bind(tk.bind(whole, 0).layers[1], 1)
        return whole, part

    def test_keeps_its_layers(self):
        """The whole's table has its own alone."""
        whole, part = self.models()

        assert ["first"] == [site.name for site in tk.sites(whole)]
        assert ["drop"] == [site.name for site in tk.sites(part)]

    @pytest.mark.parametrize("copied", ["file", "pickle"])
    def test_comes_back_as_it_was(self, tmp_path, copied):
        """With its own seed, step and sites."""
        whole, _ = self.models()
        whole(ones(2, 64), training=True)
        if copied == "file":
            whole.save(tmp_path / "model.keras")
            other = keras.saving.load_model(tmp_path / "model.keras")
        else:
            other = pickle.loads(pickle.dumps(whole))  # noqa: S301  our own
        y = other(ones(2, 64), training=True)
        first = dropped((2, 64), 0.25, seed=0, site="first", step=1)

        assert np.array_equal(first * dropped((2, 64), 0.5, seed=1, site="drop", step=1), array(y))

    def test_layers_made_later(self):
        """The whole takes those that are nobody's, and leaves the part its own."""
        whole, _ = self.models()
        whole.add(tk.layers.Dropout(0.125, name="last"))
        y = whole(ones(2, 64), training=True)
        outside = dropped((2, 64), 0.25, seed=0, site="first") * dropped((2, 64), 0.125, seed=0, site="last")

        assert np.array_equal(outside * dropped((2, 64), 0.5, seed=1, site="drop"), array(y))


class TestOtherFiles:
    """What the frameworks and older Keras write."""

    @pytest.mark.parametrize("name", ["model.h5", "model.hdf5"])
    def test_legacy(self, tmp_path, name):
        """Would lose the address, and is refused."""
        with pytest.raises(BindError, match=r"expected a \.keras file"):
            tk.bind(mlp(), 0).save(tmp_path / name)

        assert not (tmp_path / name).exists()

    @pytest.mark.parametrize("built", [False, True])
    def test_state_dict(self, built):
        """Keeps seed and step, whether the model was built before it was bound."""
        if keras.backend.backend() != "torch":
            pytest.skip("of PyTorch")
        model = keras.Sequential([K.Dense(8), tk.layers.Dropout(0.5)])
        if built:
            model(ones(2, 8))
        tk.bind(model, 5)(ones(2, 8), training=True)
        saved = {name: value.clone() for name, value in model.state_dict().items()}
        one = array(model(ones(2, 8), training=True))
        tk.bind(model, 6)
        model.load_state_dict(saved)

        assert (1, 5) == (step_of(model), model._thinned_address.seed)
        assert np.array_equal(one, array(model(ones(2, 8), training=True)))
        tk.unbind(model)
        assert not [name for name in model.state_dict() if "thinned" in name]

    def test_state_dict_of_bound_parts(self):
        """Has an entry for each of them."""
        if keras.backend.backend() != "torch":
            pytest.skip("of PyTorch")
        part = keras.Sequential([K.Dense(8), tk.layers.Dropout(0.5)], name="part")
        whole = keras.Sequential([K.Dense(8), tk.layers.Dropout(0.5), part])
        tk.bind(tk.bind(whole, 5).layers[2], 6)
        whole(ones(2, 8), training=True)
        saved = {name: value.clone() for name, value in whole.state_dict().items()}
        whole(ones(2, 8), training=True)
        whole.load_state_dict(saved)

        assert step_of(whole) == step_of(part) == 1
        assert (5, 6) == tuple(model._thinned_address.seed for model in (whole, part))

    def test_checkpoint(self, tmp_path):
        """Keeps seed and step."""
        if keras.backend.backend() != "tensorflow":
            pytest.skip("of TensorFlow")
        import tensorflow as tf

        model = trained(mlp())
        path = tf.train.Checkpoint(model=model).save(str(tmp_path / "model"))
        model.train_on_batch(*data())
        tk.bind(model, 6)
        tf.train.Checkpoint(model=model).restore(path).assert_existing_objects_matched()

        assert (2, 5) == (step_of(model), model._thinned_address.seed)
        tk.unbind(model)
        tf.train.Checkpoint(model=model).restore(path).assert_existing_objects_matched()
