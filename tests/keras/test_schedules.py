"""Rates that follow the step, on every backend."""

import keras
import numpy as np
import pytest

import thinned
import thinned.keras as tk
from tests.keras.catalogue import L, inputs
from tests.keras.models import array, ones
from thinned.errors import BindError, RateError
from thinned.mask import keep


class TestSchedules:
    """A rate that follows the step of a bound model."""

    RATE = thinned.linear(0.0, 0.5, steps=4)

    @pytest.mark.parametrize("jitted", [False, True])
    def test_the_law_at_each_step(self, jitted):
        """Each step has its rate, in Keras' loop too, and nothing is traced anew."""
        layer = L.Dropout(self.RATE, name="drop")
        model = keras.Sequential([keras.Input((64,)), layer, keras.layers.Dense(1, use_bias=False)])
        model.set_weights([ones(64, 1)])
        tk.bind(model, 5)
        model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mae", run_eagerly=not jitted)
        for step in range(6):
            rate = self.RATE(step)
            mask = keep((4, 64), rate, seed=5, site="drop", step=step)
            expected = np.where(mask, np.float32(1 / (1 - rate)), np.float32(0)).sum(1).mean()
            model.reset_metrics()
            assert expected == pytest.approx(model.train_on_batch(ones(4, 64), np.zeros((4, 1))), rel=1e-6)

    @pytest.mark.parametrize(
        "layer",
        [
            L.AlphaDropout,
            L.GaussianDropout,
            L.GaussianNoise,
            L.UniformDropout,
            L.DropPath,
            L.StochasticReLU,
            L.BatchDropout,
            lambda rate, **a: L.DropPath(rate, scale_by_keep=False, **a),
            lambda rate, **a: L.DropBlock1D(rate, 2, **a),
        ],
    )
    def test_every_layer(self, layer):
        """At a step it computes what it would with the rate of that step."""
        x = inputs((4, 6, 5))
        scheduled, constant = (
            tk.bind(keras.Sequential([layer(rate, name="a")]), 1) for rate in (self.RATE, 0.0)
        )
        for step in range(3):
            setattr(constant.layers[0], constant.layers[0].word, self.RATE(step))
            expected, actual = array(constant(x, training=True)), array(scheduled(x, training=True))
            # Where the rate is a tensor, factors are computed in another order: some roundings of float32.
            assert np.array_equal(expected == 0, actual == 0)
            np.testing.assert_allclose(actual, expected, rtol=2**-20, atol=2**-20)

    def test_three_axes_of_positions(self):
        """Blocks of volumes, channels last, too."""
        x = inputs((2, 3, 4, 5, 6))
        models = [tk.bind(keras.Sequential([L.DropBlock3D(r, 2, name="a")]), 1) for r in (self.RATE, 0.0)]
        for step in range(3):
            models[1].layers[0].rate = self.RATE(step)
            one, two = (array(model(x, training=True)) for model in models)
            assert np.array_equal(one, two)

    def test_saved(self, tmp_path):
        """It comes back from a file."""
        model = tk.bind(keras.Sequential([keras.Input((64,)), L.Dropout(self.RATE)]), 5)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")

        assert self.RATE == loaded.layers[0].rate
        for _ in range(3):
            x = ones(2, 64)
            assert np.array_equal(array(model(x, training=True)), array(loaded(x, training=True)))

    def test_in_the_table(self):
        """The rate is that of the next step."""
        model = tk.bind(keras.Sequential([keras.Input((64,)), L.Dropout(self.RATE)]), 5)
        model(ones(2, 64), training=True)

        assert self.RATE(1) == thinned.sites(model)[0].rate

    def test_free(self):
        """A layer that no one bound has no step; in evaluation it needs none."""
        layer = L.Dropout(self.RATE)
        assert np.array_equal(ones(3), array(layer(ones(3))))
        with pytest.raises(BindError, match=r"Dropout with linear\(0.0, 0.5, steps=4\).*free layer"):
            layer(ones(3), training=True)

    def test_a_ramp_over_the_depth(self):
        """Is none of these."""
        with pytest.raises(RateError, match=r"schedule.along\(place, count\)"):
            L.Dropout(thinned.linear(0.0, 0.5))

    @pytest.mark.slow
    @pytest.mark.filterwarnings(
        # What PyTorch's compiler says of its own code, and of Keras'.
        "ignore:`torch.jit.script:DeprecationWarning",
        "ignore:The .grad attribute of a Tensor that is not a leaf",
        "ignore:Dynamo d",
    )
    def test_compiled(self):
        """`jit_compile=True` trains as eager code does: rates, blocks, groups and weights of a step are its own."""
        x, found = inputs((8, 4, 3, 5, 6)), []
        for jitted in (False, True):
            keras.utils.set_random_seed(0)
            layers = [
                L.DropBlock3D(self.RATE, 2),
                L.BatchDropout(self.RATE, 2),
                keras.layers.Flatten(),
                L.DropConnect(1, self.RATE),
            ]
            model = tk.bind(keras.Sequential([keras.Input(x.shape[1:]), *layers]), 3)
            model.compile(optimizer=keras.optimizers.SGD(1e-3), loss="mse", jit_compile=jitted)
            found.append([model.train_on_batch(x, ones(8, 1)) for _ in range(4)])
            model.reset_metrics()

        # Losses are sums of some hundred products, rounded in another order: far below any mask's effect.
        np.testing.assert_allclose(*found, rtol=1e-5)
