"""Bound models: seeds, sites, steps, uses, batches."""

import warnings

import keras
import numpy as np
import pytest

import thinned.keras as tk
from tests.keras.models import Block, K, Tower, array, compiled, data, dropped, flat, kept, mlp, ones, step_of
from thinned.errors import AddressError, BindError
from thinned.mask import keep


def alone(rate=0.5, **arguments):
    """A model of one layer of dropout."""
    return keras.Sequential([keras.Input((64,)), tk.layers.Dropout(rate, name="drop", **arguments)])


class Thrice(keras.Model):
    """Calls one layer three times."""

    def __init__(self, drop):
        super().__init__()
        self.drop = drop

    def call(self, x, training=None):
        """Three masks."""
        return self.drop(x), self.drop(x), self.drop(x)


class TestAddresses:
    """(seed, name, step)."""

    @pytest.mark.parametrize("seed", [0, 7, -2, 2**63 + 5])
    def test_the_law(self, seed):
        """Gives the mask; all 64 bits of a seed count."""
        model = tk.bind(alone(), seed)

        for step in range(3):
            y = model(ones(4, 64), training=True)
            assert np.array_equal(dropped((4, 64), 0.5, seed=seed, site="drop", step=step), array(y))
        assert seed % 2**64 == model._thinned_address.seed

    def test_evaluation(self):
        """Leaves the step."""
        model = tk.bind(alone(), 0)
        model(ones(1, 64), training=True)
        model(ones(1, 64))
        model(ones(1, 64), training=False)

        assert 1 == step_of(model)

    def test_training_inside_evaluation(self):
        """A call in which a layer draws takes a step: samples of a layer that always drops differ."""
        inputs = keras.Input((64,))
        model = tk.bind(keras.Model(inputs, tk.layers.Dropout(0.5, name="drop")(inputs, training=True)), 3)
        found = [array(model(ones(2, 64), training=training)) for training in (None, None, True)]

        for step, y in enumerate(found):
            assert np.array_equal(dropped((2, 64), 0.5, seed=3, site="drop", step=step), y)

    def test_uses(self):
        """The k-th use of a layer is `name#k`."""
        model = tk.bind(Thrice(tk.layers.Dropout(0.5)), 0)

        for step in range(2):
            for site, y in zip(["drop", "drop#1", "drop#2"], model(ones(1, 64), training=True), strict=True):
                assert np.array_equal(dropped((1, 64), 0.5, seed=0, site=site, step=step), array(y))

    def test_a_site_by_hand(self):
        """Wins over the name."""
        y = tk.bind(alone(site="encoder/0"), 1)(ones(1, 64), training=True)

        assert np.array_equal(dropped((1, 64), 0.5, seed=1, site="encoder/0"), array(y))

    def test_two_alike(self):
        """Are refused, and the model is as it was."""
        model = keras.Sequential([tk.layers.Dropout(0.5, site="x"), tk.layers.Dropout(0.5, site="x")])
        with pytest.raises(BindError, match="'x' twice"):
            tk.bind(model, 0)

        assert type(model) is keras.Sequential

    @pytest.mark.parametrize("seed", [2**64, 1.0, "a", True])
    def test_seeds(self, seed):
        """As wide as the law's."""
        with pytest.raises(AddressError, match="seed"):
            tk.bind(alone(), seed)

    def test_a_model_without_a_training_argument(self):
        """Takes its step where something is dropped: only Keras' context says that it trains."""

        class Plain(keras.Model):
            def __init__(self):
                super().__init__()
                self.drop = tk.layers.Dropout(0.5)

            def call(self, x):
                return self.drop(x)

        model = tk.bind(Plain(), 2)
        for step in range(2):
            y = model(ones(1, 64), training=True)
            assert np.array_equal(dropped((1, 64), 0.5, seed=2, site="drop", step=step), array(y))
        model(ones(1, 64))

        assert 2 == step_of(model)

    def test_layers_made_later(self):
        """Are bound when the model first calls them."""

        class Late(keras.Model):
            def build(self, shape):
                self.drop = tk.layers.Dropout(0.5)

            def call(self, x, training=None):
                return self.drop(x)

        y = tk.bind(Late(), 2)(ones(1, 64), training=True)

        assert np.array_equal(dropped((1, 64), 0.5, seed=2, site="drop"), array(y))


class TestTraining:
    """Keras' trainer."""

    def test_fit(self):
        """Takes one step a batch, and evaluation and prediction none; the next mask is the next step's."""
        model = compiled(tk.bind(alone(), 5).__class__._base([*alone().layers, K.Dense(1)]))
        tk.bind(model, 5)
        x, y = ones(16, 64), ones(16, 1)
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, validation_data=(x, y))
        model.evaluate(x, y, verbose=0)
        model.predict(x, verbose=0)
        assert 8 == step_of(model)
        model.train_on_batch(x, y)

        assert 9 == step_of(model)

    def test_masks_of_fit(self):
        """Are the law's: a network that adds up its ones loses what was dropped."""
        model = keras.Sequential(
            [keras.Input((64,)), tk.layers.Dropout(0.5, name="drop"), K.Dense(1, use_bias=False)]
        )
        model.set_weights([ones(64, 1)])
        tk.bind(model, 5)
        model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mae")

        for step in range(3):
            expected = 2 * keep((4, 64), 0.5, seed=5, site="drop", step=step).sum(1).mean()
            model.reset_metrics()  # without it, older versions of Keras give the mean over all batches
            assert expected == pytest.approx(model.train_on_batch(ones(4, 64), np.zeros((4, 1))))

    @pytest.mark.parametrize("steps", [1, 2])
    def test_fit_and_a_loop(self, steps):
        """Are one: compiled or not, in whatever pieces."""
        if steps > 1 and keras.backend.backend() == "torch":
            pytest.skip("Keras on PyTorch takes one step at a time")
        x, y = data()
        found = []
        for eagerly in (False, True):
            keras.utils.set_random_seed(1)
            model = tk.bind(mlp(), 3)
            model.compile(
                optimizer=keras.optimizers.SGD(0.1),
                loss="mse",
                run_eagerly=eagerly,
                steps_per_execution=1 if eagerly else steps,
            )
            model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
            found.append(flat(model))

        # Float32 rounding of eight steps of sums of at most 32 terms: far above it, far below any mask's effect.
        assert np.abs(found[0] - found[1]).max() < 1e-5
        assert 8 == step_of(model)

    def test_no_new_trace(self):
        """A step, an epoch or an evaluation traces nothing anew that was traced before."""
        traced = []

        @keras.saving.register_keras_serializable("tests")
        class Probe(keras.Layer):
            def call(self, x):
                traced.append(1)
                return x

        model = compiled(tk.bind(keras.Sequential([*mlp().layers, Probe()]), 0))
        x, y = data()
        model.fit(x, y, batch_size=8, epochs=1, verbose=0)
        before = len(traced)
        model.fit(x, y, batch_size=8, epochs=3, verbose=0)

        batches = (
            12 if keras.backend.backend() == "torch" else 0
        )  # PyTorch traces nothing, and calls it each time
        assert before + batches == len(traced)

    def test_binding_again_after_a_fit(self):
        """Is a new run: nothing that was compiled before goes on."""
        x, y = data()
        found = []
        model = compiled(mlp())
        weights = model.get_weights()
        for seed in (None, 1, 2, 1):
            model.set_weights(weights)
            if seed is not None:
                tk.bind(model, seed)
            model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
            found.append(flat(model))

        assert np.array_equal(found[1], found[3])
        assert not np.array_equal(found[1], found[2])
        assert not np.array_equal(found[0], found[1])

    def test_stateless(self):
        """`stateless_call` takes the step from what it is given, and returns the next."""
        model = tk.bind(alone(), 5)
        if keras.backend.backend() == "torch":
            state = [keras.ops.copy(v.value) for v in model.non_trainable_variables]
        else:
            state = [v.value + 0 for v in model.non_trainable_variables]
        one, after = model.stateless_call([], state, ones(1, 64), training=True)
        two, _ = model.stateless_call([], after, ones(1, 64), training=True)

        assert 0 == step_of(model)
        for step, y in enumerate((one, two)):
            assert np.array_equal(dropped((1, 64), 0.5, seed=5, site="drop", step=step), array(y))


class TestBinding:
    """One binding at a time."""

    def test_unbind(self):
        """Gives back the class, the variables, and free layers."""
        model = mlp()
        names = [v.path for v in model.variables]
        tk.unbind(tk.bind(model, 1))

        assert type(model) is keras.Sequential
        assert names == [v.path for v in model.variables]
        assert not hasattr(model, "_thinned_address")
        keras.utils.set_random_seed(0)
        tk.unbind(model)
        assert kept(model.layers[1](ones(1, 64), training=True)).any()

    def test_it_is_the_model_that_it_was(self):
        """To `isinstance`, by name, by weights."""
        model = mlp()
        weights = len(model.get_weights())
        tk.bind(model, 1)

        assert isinstance(model, keras.Sequential)
        assert "Sequential" == type(model).__name__
        assert weights == len(model.get_weights())
        assert repr(model) == repr(mlp(name=model.name))

    def test_the_whole_takes_over_from_a_part(self):
        """Which has then no binding of its own."""
        part = tk.bind(alone(), 1)
        whole = tk.bind(keras.Sequential([part]), 2)
        part_name = tk.sites(whole)[0].name
        y = whole(ones(1, 64), training=True)

        assert np.array_equal(dropped((1, 64), 0.5, seed=2, site=part_name), array(y))
        assert "sequential.drop" == part_name
        assert type(part) is keras.Sequential

    def test_a_bound_part_of_a_free_whole(self):
        """Is the root of its own calls, several of them in one call of the whole."""
        whole = Thrice(tk.bind(alone(), 1))

        for step, y in enumerate(whole(ones(1, 64), training=True)):
            assert np.array_equal(dropped((1, 64), 0.5, seed=1, site="drop", step=step), array(y))

    def test_a_layer_called_alone(self):
        """Has no step."""
        model = tk.bind(mlp(), 0)
        with pytest.raises(BindError, match=r"layer 'drop1' is bound, .* outside one. Call the bound model"):
            model.layers[1](ones(1, 16), training=True)

    def test_strangers(self):
        """Keras' own layers are warned of, unless they never drop."""
        with pytest.warns(UserWarning, match=r"'a': Keras' own dropout, .* thinned.keras.convert"):
            tk.bind(keras.Sequential([K.Dropout(0.5, name="a"), K.Dropout(0.0)]), 0)
        with warnings.catch_warnings():
            tk.bind(keras.Sequential([K.Dropout(0.0)]), 0)

    def test_no_model(self):
        """Is refused."""
        with pytest.raises(BindError, match="a Keras model or layer; got a list"):
            tk.bind([], 0)

    @pytest.mark.parametrize("function", [tk.unbind, tk.sites])
    def test_no_model_elsewhere(self, function):
        """Is refused there too."""
        with pytest.raises(BindError, match="a Keras model or layer; got a int"):
            function(5)

    def test_a_layer_of_two_models(self):
        """Is of the one that was bound last, as a call of the other says."""
        drop = tk.layers.Dropout(0.5, name="drop")
        one, two = (keras.Sequential([keras.Input((64,)), drop], name=name) for name in ("one", "two"))
        tk.bind(one, 0), tk.bind(two, 1)
        with pytest.raises(
            BindError, match=r"'drop' of 'one', .* bound again with 'two', which has taken it"
        ):
            one(ones(1, 64), training=True)


class TestBatch:
    """Where the local rows lie in the global batch."""

    @pytest.mark.parametrize("parts", [1, 2, 4])
    def test_shards(self, parts):
        """Together they have the masks of the whole."""
        size = 8 // parts
        whole = array(tk.bind(alone(), 0)(ones(8, 64), training=True))
        pieces = [
            array(tk.bind(alone(), 0, batch=(0, 8, start))(ones(size, 64), training=True))
            for start in range(0, 8, size)
        ]

        assert np.array_equal(whole, np.concatenate(pieces))

    @pytest.mark.parametrize("batch", [(0, 8), (0, 8.0, 0), "abc"])
    def test_three_integers(self, batch):
        """Or an error."""
        with pytest.raises(BindError, match="three integers; got"):
            tk.bind(alone(), 0, batch)

    def test_an_axis_that_is_not_there(self):
        """Is an error where it is missed."""
        with pytest.raises(BindError, match=r"a batch axis 2, as bind\(batch=\(2, 8, 0\)\) says; got shape"):
            tk.bind(alone(), 0, (2, 8, 0))(ones(4, 64), training=True)


class TestRecomputation:
    """`keras.RematScope`."""

    @pytest.mark.parametrize("root", [False, True], ids=["parts", "root"])
    def test_has_the_masks_of_the_first_run(self, root):
        """So gradients are those without it; also where the whole is recomputed, and a step is taken once."""
        x, found = ones(16, 8), []
        for scope in (False, True):
            keras.utils.set_random_seed(3)
            with keras.RematScope("full" if scope else None):
                blocks = [Block(name=f"block{number}") for number in range(2)]
                model = keras.Sequential([keras.Input((8,)), *blocks]) if root else None
            model = model or keras.Sequential([keras.Input((8,)), *blocks])
            tk.bind(model, 7)
            model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
            for _ in range(2):
                model.train_on_batch(x, ones(16, 8))
            found.append(flat(model))
            assert 2 == step_of(model)

        assert np.abs(found[0] - found[1]).max() < 1e-5


class TestSubclassed:
    """Models that are classes."""

    def test_fit(self):
        """Works as with graphs."""
        model = tk.bind(Tower(), 1, None)
        tk.convert(model)
        compiled(model).fit(*data(), batch_size=16, verbose=0)

        assert 2 == step_of(model)
