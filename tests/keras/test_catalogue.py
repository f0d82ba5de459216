"""The layers beyond dropout: their draws are the law's, on every backend."""

import keras
import numpy as np
import pytest

import thinned
import thinned.keras as tk
from tests.keras.catalogue import CASES, LEVEL, NAME, SEED, L, bound, inputs, near
from tests.keras.models import array, kept, ones, step_of
from thinned.errors import AddressError, BindError, RateError, ShapeError, ShareError

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
            (lambda: L.GaussianNoise(2.0), ValueError, "between 0 and 1"),
            (lambda: L.UniformDropout(1.5), RateError, r"rate in \[0, 1\]"),
            (lambda: L.DropPath(1e-7), RateError, "rounds to 0"),
            (lambda: L.DropPath(0.5, seed=-1), AddressError, r"seed in \[0, 2\^31\)"),
            (lambda: L.DropPath(0.5, seed=1.5), AddressError, r"seed in \[0, 2\^31\), integers .* got 1\.5"),
            (lambda: L.Dropout(0.5, foo=3), TypeError, "Dropout.*'foo'"),
            (lambda: L.GaussianNoise("a"), RateError, "standard deviation"),
            (lambda: L.UniformDropout(0.5, site=3), AddressError, "site as a name"),
            (lambda: L.DropPath(0.5, keep=True), TypeError, "DropPath.*'keep'"),
            (lambda: L.DropConnect(3, 0.5, shape=1), TypeError, "DropConnect.*'shape'"),
            (lambda: L.AttentionDropout(0.5, per="row"), ValueError, "per='weight' or per='head'"),
            (lambda: L.PatchDropout(1.0), RateError, r"rate in \[0, 1\)"),
            (lambda: L.PatchDropout(thinned.early(0.5, until=3)), RateError, "how many tokens stay"),
            (lambda: L.PatchDropout(0.5, -1), ShareError, "num_prefix_tokens"),
            (lambda: L.EmbeddingDropout(9, 4, rate=2.0), RateError, r"rate in \[0, 1\]"),
            (lambda: L.MultiHeadAttention(2, 4, drop_key=2.0), RateError, r"rate in \[0, 1\]"),
            (lambda: L.FeatureAlphaDropout(0.5, "NCHW"), ValueError, "expected data_format"),
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
            (L.AttentionDropout(0.5, per="head"), (3, 4), r"\(\*batch, head, query, key\)"),
            (L.PatchDropout(0.5, 4), (3, 4, 2), "more than num_prefix_tokens=4 tokens"),
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
            (lambda: L.AttentionDropout(0.3), "AttentionDropout(0.3)", (2, 4, 5, 5)),
            (
                lambda: L.AttentionDropout(0.3, "head"),
                "AttentionDropout(0.3, per='head')",
                (2, 4, 5, 5),
            ),
            (lambda: L.DropKey(0.3), "DropKey(0.3)", (2, 4, 5, 5)),
            (lambda: L.PatchDropout(0.3), "PatchDropout(0.3)", (2, 9, 5)),
            (
                lambda: L.FeatureAlphaDropout(0.3, data_format="channels_first"),
                "FeatureAlphaDropout(0.3)",
                (2, 4, 5, 5),
            ),
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
