"""Layers that nobody bound: drop-ins for Keras' own."""

import keras
import numpy as np
import pytest

import thinned
import thinned.keras as tk
from tests.bounds import stray
from tests.keras.models import array, dropped, kept, ones
from thinned.errors import AddressError, DtypeError, RateError, ShareError

L = tk.layers
SHAPES = {
    L.Dropout: (20, 50),
    L.SpatialDropout1D: (20, 3, 50),
    L.SpatialDropout2D: (20, 3, 2, 50),
    L.SpatialDropout3D: (20, 1, 3, 2, 50),
}
KERAS = {cls: getattr(keras.layers, cls.__name__) for cls in SHAPES}


@pytest.mark.parametrize("cls", SHAPES, ids=lambda cls: cls.__name__)
class TestEvery:
    """All four."""

    def test_a_schedule(self, cls):
        """Is taken as it is, and never compared with numbers."""
        rate = thinned.linear(0, 0.5, steps=4)
        layer = cls(rate)

        assert rate == layer.rate
        assert rate == cls.from_config(layer.get_config()).rate

    def test_it_is_keras_own(self, cls):
        """And passes where Keras' would."""
        assert isinstance(cls(0.5), KERAS[cls])
        assert KERAS[cls](0.5).supports_masking == cls(0.5).supports_masking
        assert KERAS[cls](0.5).input_spec == cls(0.5).input_spec or cls(0.5).input_spec is not None

    def test_a_key_of_the_generator(self, cls):
        """Each call's seed is two words of its generator: `seed`, and how often it was asked."""
        layer, share = cls(0.5, seed=7), cls(0.5).shared(SHAPES[cls])

        for call in range(3):
            expected = dropped(SHAPES[cls], 0.5, seed=7 + (call << 32), share=share)
            assert np.array_equal(expected, array(layer(ones(*SHAPES[cls]), training=True)))

    def test_evaluation_and_rate_zero(self, cls):
        """Are the identity, and take no key; a rate that is set later counts."""
        x = ones(*SHAPES[cls])
        layer = cls(0, seed=7)
        assert np.array_equal(x, array(layer(x, training=True)))
        layer.rate = 0.5
        assert np.array_equal(x, array(layer(x)))

        expected = dropped(x.shape, 0.5, seed=7, share=layer.shared(x.shape))
        assert np.array_equal(expected, array(layer(x, training=True)))

    def test_rate_one(self, cls):
        """Drops all, infinities too."""
        x = np.full(SHAPES[cls], np.inf, "float32")

        assert not array(cls(1)(x, training=True)).any()

    def test_config(self, cls):
        """Makes the same layer again; Keras' own arguments are as Keras has them."""
        layer = cls(0.25, seed=3, name="mine", site="here")
        again = cls.from_config(layer.get_config())

        assert layer.get_config() == again.get_config()
        assert "mine" == again.name
        assert (
            KERAS[cls](0.25, seed=3, name="mine").get_config() == cls(0.25, seed=3, name="mine").get_config()
        )
        assert cls(0.25).get_config()["automatic_name"]

    @pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), 1e-7, "a", None, [0.5], True])
    def test_rates(self, cls, rate):
        """Those that no threshold stands for are refused, and before Keras compares them."""
        with pytest.raises(RateError, match="rate"):
            cls(rate)


class TestDropout:
    """The plain one."""

    @pytest.mark.parametrize("rate", [0.2, 0.9])
    def test_mean(self, rate):
        """Ones keep their mean, within Bernstein's bound."""
        mean = array(L.Dropout(rate, seed=1)(ones(400, 500), training=True)).astype("float64").mean()

        assert abs(mean - 1) < stray(200000, rate / (1 - rate), 1 / (1 - rate))

    def test_the_global_seed(self):
        """`set_random_seed` governs layers without a seed of their own."""
        found = []
        for _ in range(2):
            keras.utils.set_random_seed(5)
            found.append(kept(L.Dropout(0.5)(ones(64), training=True)))

        assert np.array_equal(*found)
        assert not np.array_equal(found[0], kept(L.Dropout(0.5)(ones(64), training=True)))

    @pytest.mark.parametrize(
        ("noise_shape", "share"),
        [
            (None, ()),
            ((None, 1, None), (1,)),
            ((4, 1, 3), (1,)),
            ([1, 5, 1], (0, 2)),
            ((3,), (0, 1)),
            ((1, 3), (0, 1)),
            ((5, 1), (0, 2)),
        ],
    )
    def test_noise_shape(self, noise_shape, share):
        """Is what is shared, as Keras broadcasts it: where ours is constant, theirs is."""
        x = ones(4, 5, 3)
        mask = kept(L.Dropout(0.5, noise_shape=noise_shape, seed=1)(x, training=True))
        theirs = kept(keras.layers.Dropout(0.5, noise_shape=noise_shape, seed=1)(x, training=True))

        assert np.array_equal(dropped((4, 5, 3), 0.5, seed=1, share=share) != 0, mask)
        for axis in range(3):
            assert (axis in share) == bool((theirs == theirs.take([0], axis)).all())

    @pytest.mark.parametrize("noise_shape", [(2, 1, 3), (1, 1, 1, 1), (4, 5), (2,)])
    def test_impossible_noise_shapes(self, noise_shape):
        """Are refused, with what would fit."""
        with pytest.raises(ShareError, match=r"entries are 1, None or the input's size, at most 3"):
            L.Dropout(0.5, noise_shape=noise_shape)(ones(4, 5, 3), training=True)

    def test_masks_of_inputs(self):
        """Go through, as through Keras' layer."""
        inside = keras.layers.Embedding(5, 4, mask_zero=True)(np.array([[1, 2, 0], [3, 0, 0]]))
        y = L.Dropout(0.5)(inside, training=True)

        assert [[True, True, False], [True, False, False]] == array(y._keras_mask).tolist()

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
    def test_dtypes(self, dtype):
        """Each has the same mask."""
        if dtype == "float64" and keras.backend.backend() == "jax":
            pytest.skip("JAX has it off by default")
        y = L.Dropout(0.5, seed=1, dtype=dtype)(keras.ops.ones((64,), dtype), training=True)

        assert dtype == keras.backend.standardize_dtype(y.dtype)
        assert np.array_equal(dropped((64,), 0.5, seed=1) != 0, kept(keras.ops.cast(y, "float32")))

    def test_integers(self):
        """Cannot be scaled."""
        with pytest.raises(DtypeError, match="float32"):
            L.Dropout(0.5)(np.ones(3, "int32"), training=True)

    def test_a_rate_set_to_nonsense(self):
        """Is seen when it is used."""
        layer = L.Dropout(0.5)
        layer.rate = 2.0
        with pytest.raises(RateError, match=r"2\.0"):
            layer(ones(3), training=True)

    @pytest.mark.parametrize("seed", [-1, 2**31, 2**40])
    def test_seeds(self, seed):
        """That backends' generators would take in different ways are refused on all."""
        with pytest.raises(AddressError, match=r"seed in \[0, 2\^31\)"):
            L.Dropout(0.5, seed=seed)

    def test_sites(self):
        """Are names."""
        with pytest.raises(AddressError, match="site as a name; got 3 of type int"):
            L.Dropout(0.5, site=3)

    @pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
    def test_fit(self):
        """A free layer trains, with a mask of its own for each batch; its generator moves on."""
        model = keras.Sequential([keras.Input((64,)), L.Dropout(0.5, seed=1)])
        model.compile(optimizer="sgd", loss="mse")
        model.fit(ones(8, 64), ones(8, 64), batch_size=2, verbose=0)
        counter = array(model.layers[0].seed_generator.state.value)[1]

        assert 4 == counter
        expected = dropped((2, 64), 0.5, seed=1 + (4 << 32))
        assert np.array_equal(expected, array(model(ones(2, 64), training=True)))


class TestSpatial:
    """Whole channels."""

    @pytest.mark.parametrize("cls", [L.SpatialDropout2D, L.SpatialDropout3D], ids=lambda cls: cls.__name__)
    def test_channels_first(self, cls):
        """Channels stand behind the batch."""
        shape = (4, 6, *[3] * (len(SHAPES[cls]) - 2))
        layer = cls(0.5, data_format="channels_first", seed=2)
        share = tuple(range(2, len(shape)))

        assert np.array_equal(
            dropped(shape, 0.5, seed=2, share=share), array(layer(ones(*shape), training=True))
        )

    def test_wrong_number_of_axes(self):
        """Is refused in Keras' words."""
        with pytest.raises(ValueError, match="ndim=4"):
            L.SpatialDropout2D(0.5)(ones(2, 3), training=True)
