"""The layers beyond dropout: their draws are the law's, on every backend."""

import keras
import numpy as np
import pytest

import thinned
import thinned.keras as tk
from tests.keras.catalogue import CASES, LEVEL, NAME, SEED, L, bound, inputs, near
from tests.keras.models import array, kept, ones, step_of
from thinned.errors import AddressError, BindError, RateError, ShapeError, ShareError
from thinned.mask import keep

every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
is_torch = keras.backend.backend() == "torch"


@every
class TestEvery:
    """All of them."""

    def test_bound(self, case):
        """Each step's output is the law's, at the site that the layer is called."""
        model, x = bound(case), inputs(case.shape)
        for step in range(2):
            expected = case.expected(x, seed=SEED, site=NAME, step=step)
            assert near(case, expected, array(model(x, training=True)), x)

    def test_free(self, case):
        """A call's seed is two words of the layer's generator."""
        layer, x = case.make(seed=7), inputs(case.shape)
        for call in range(2):
            expected = case.expected(x, seed=7 + (call << 32), site=0)
            assert near(case, expected, array(layer(x, training=True)), x)

    def test_evaluation_and_rate_zero(self, case):
        """Draw nothing, and take no key; a rate that is set later counts."""
        layer, x = case.make(seed=7), inputs(case.shape)
        name = "stddev" if hasattr(layer, "stddev") else "rate"
        undrawn = np.maximum(x, 0) if isinstance(layer, L.StochasticReLU) else x
        assert np.array_equal(undrawn, array(layer(x)))
        setattr(layer, name, 0)
        assert np.array_equal(undrawn, array(layer(x, training=True)))
        setattr(layer, name, LEVEL)

        assert near(case, case.expected(x, seed=7, site=0), array(layer(x, training=True)), x)

    def test_config(self, case):
        """Makes the same layer again, which computes the same."""
        layer, x = case.make(seed=3, name="mine", site="there"), inputs(case.shape)
        again = type(layer).from_config(layer.get_config())

        assert layer.get_config() == again.get_config()
        assert ("mine", "there") == (again.name, again.site)
        assert np.array_equal(array(layer(x, training=True)), array(again(x, training=True)))
        assert case.make().get_config()["automatic_name"]

    def test_saved(self, case, tmp_path):
        """A bound model's file loads bound, and goes on from its step."""
        model, x = bound(case), inputs(case.shape)
        model(x, training=True)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")

        assert np.array_equal(array(model(x, training=True)), array(loaded(x, training=True)))
        assert 2 == step_of(loaded)

    @pytest.mark.parametrize("dtype", ["float16", "mixed_bfloat16"])
    def test_half_types(self, case, dtype):
        """Have the draws of float32, rounded once; a kept element stays kept."""
        if not case.tolerance:
            x = ones(*case.shape)
            y = case.make(seed=7, dtype=dtype)(x, training=True)
            expected = case.expected(x, seed=7, site=0)
            assert dtype.removeprefix("mixed_") == keras.backend.standardize_dtype(y.dtype)
            assert np.array_equal(expected != 0, kept(keras.ops.cast(y, "float32")))

    def test_masks_of_inputs(self, case):
        """Go through, and shapes are known before the layer is called."""
        layer = case.make()
        assert layer.supports_masking
        assert case.shape == tuple(layer.compute_output_shape(case.shape))
        assert (None, *case.shape[1:]) == layer(keras.Input(case.shape[1:])).shape

    def test_in_the_table(self, case):
        """`sites` says what is drawn there."""
        (site,) = thinned.sites(bound(case))
        (seen,) = tk.sites(bound(case), inputs(case.shape))

        assert NAME == site.name
        assert site.mask_shape[1:] == seen.mask_shape[1:]
        assert site.rate == (0 if "Noise" in str(type(bound(case).layers[0])) else LEVEL)

    def test_parts_of_a_batch(self, case):
        """Two halves have the draws of the whole, where draws differ between samples at all."""
        axis = 1 if getattr(case.make(), "time_major", False) else 0
        x = inputs((6, *case.shape[1:]) if axis == 0 else (case.shape[0], 6, *case.shape[2:]))
        models = [tk.bind(keras.Sequential([case.make(name=NAME)]), SEED, (axis, 6, at)) for at in (0, 2)]
        parts = [
            model(x.take(at, axis), training=True)
            for model, at in zip(models, ([0, 1], range(2, 6)), strict=True)
        ]
        whole = case.expected(x, seed=SEED, site=NAME, step=0)

        assert near(case, whole, np.concatenate([array(part) for part in parts], axis), x)


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
            constant.layers[0].rate = self.RATE(step)
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


class TestErrors:
    """What does not fit."""

    @pytest.mark.parametrize(
        ("make", "error", "message"),
        [
            (lambda: L.BatchDropout(0.5, groups=0), ShareError, "groups="),
            (lambda: L.DropBlock2D(0.5, 0), ShapeError, "block_size as an integer of at least 1"),
            (lambda: L.DropBlock2D(0.5, (2, 2, 2)), ShapeError, "one for each of the 2 axes"),
            (lambda: L.DropBlock2D(0.5, data_format="NCHW"), ValueError, "expected data_format"),
            (lambda: L.GaussianNoise(-1.0), RateError, "standard deviation"),
            (lambda: L.GaussianNoise(thinned.early(0.5, until=3)), RateError, "standard deviation"),
            (lambda: L.GaussianNoise(2.0), ValueError, "between 0 and 1"),
            (lambda: L.UniformDropout(1.5), RateError, r"rate in \[0, 1\]"),
            (lambda: L.DropPath(1e-7), RateError, "rounds to 0"),
            (lambda: L.DropPath(0.5, seed=-1), AddressError, r"seed in \[0, 2\^31\)"),
            (lambda: L.UniformDropout(0.5, site=3), AddressError, "site as a name"),
            (lambda: L.DropPath(0.5, keep=True), (TypeError, ValueError), "keep"),
            (lambda: L.DropConnect(3, 0.5, shape=1), (TypeError, ValueError), "shape"),
        ],
    )
    def test_arguments(self, make, error, message):
        """Are refused when the layer is made."""
        with pytest.raises(error, match=message):
            make()

    @pytest.mark.parametrize(
        ("layer", "shape", "message"),
        [
            (L.LockedDropout(0.5), (3, 4), "min_ndim=3"),
            (L.DropBlock2D(0.5), (3, 4, 5), "ndim=4"),
            (L.BatchDropout(0.5, axis=0), (3, 4), "their units on another"),
        ],
    )
    def test_inputs(self, layer, shape, message):
        """Are refused when the layer is called."""
        with pytest.raises(ValueError, match=message):
            layer(ones(*shape), training=True)

    def test_a_batch_along_time(self):
        """Would have masks in common."""
        model = tk.bind(keras.Sequential([L.LockedDropout(0.5)]), 0, batch=(1, 8, 0))
        with pytest.raises(BindError, match="a batch on another axis than time"):
            model(ones(2, 4, 3), training=True)

    def test_a_site_that_another_s_part_has(self):
        """Is a name given twice."""
        layers = [L.DropConnect(3, name="fc"), L.Dropout(0.5, site="fc/bias")]
        with pytest.raises(BindError, match="'fc/bias' twice"):
            tk.bind(keras.Sequential(layers), 0)


@pytest.mark.skipif(not is_torch, reason="compares with PyTorch's layers, which it needs")
class TestPyTorch:
    """`thinned.torch` at one address."""

    @pytest.mark.parametrize(
        ("ours", "theirs", "shape"),
        [
            (lambda: L.AlphaDropout(0.3), "AlphaDropout(0.3)", (4, 6)),
            (lambda: L.GaussianDropout(0.3), "GaussianDropout(0.3)", (4, 6)),
            (lambda: L.UniformDropout(0.3), "UniformDropout(0.3)", (4, 6)),
            (lambda: L.GaussianNoise(0.3), "GaussianNoise(0.3)", (4, 6)),
            (lambda: L.StochasticReLU(0.3), "StochasticReLU(0.3)", (4, 6)),
            (lambda: L.DropPath(0.3), "DropPath(0.3)", (9, 6)),
            (lambda: L.LockedDropout(0.3), "LockedDropout(0.3, batch_first=True)", (4, 5, 6)),
            (lambda: L.BatchDropout(0.3, 2), "BatchDropout(0.3, 2, axis=-1)", (4, 5, 6)),
            (
                lambda: L.DropBlock2D(0.3, 3, data_format="channels_first"),
                "DropBlock2d(0.3, 3)",
                (2, 3, 6, 5),
            ),
        ],
    )
    def test_has_the_same_output(self, ours, theirs, shape):
        """Bit for bit."""
        import torch

        import thinned.torch

        layer = ours()
        layer.site = "here"
        model = tk.bind(keras.Sequential([layer]), 9)
        other = eval(f"thinned.torch.{theirs}")  # noqa: S307 - written above
        other.site = "here"
        other = thinned.torch.bind(torch.nn.Sequential(other), 9)
        x = inputs(shape)
        for _ in range(2):
            assert np.array_equal(array(other(torch.tensor(x))), array(model(x, training=True)))

    def test_connected(self):
        """`DropConnectLinear` with one mask for the batch."""
        import torch

        import thinned.torch

        layer = L.DropConnect(3, 0.25, site="here")
        model = tk.bind(keras.Sequential([keras.Input((8,)), layer]), 9)
        other = thinned.torch.DropConnectLinear(8, 3, 0.25, per="batch", site="here")
        other.weight.data = torch.tensor(layer.get_weights()[0]).T.contiguous()
        other.bias.data = torch.tensor(layer.get_weights()[1])
        other = thinned.torch.bind(torch.nn.Sequential(other), 9)
        x = inputs((5, 8))

        np.testing.assert_allclose(
            array(model(x, training=True)),
            other(torch.tensor(x)).detach().numpy(),
            rtol=0,
            atol=10 * 64 * 2**-24,
        )
