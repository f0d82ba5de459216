"""Alpha, Gaussian and uniform dropout, noise, and the raw draws: the law's, eager, in graphs and under XLA."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import thinned.tensorflow as tt
from tests.strategies import RATES, addresses, places
from tests.tensorflow.test_transforms import carried
from tests.tensorflow.truth import DTYPES, WHERE, array
from thinned.errors import DtypeError, RateError
from thinned.mask import keep, normal, quantise, uniform
from thinned.methods.alpha import affine

WAYS = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
LAWS = ["alpha_dropout", "gaussian_dropout", "uniform_dropout", "gaussian_noise"]
laws = pytest.mark.parametrize("name", LAWS)


def factors(name, rate, shape, **where):
    """Slope and shift of each element, in float64: `y = slope x + shift`."""
    q = quantise(rate)
    if name == "gaussian_noise":
        return np.ones(shape), rate * normal(shape, **where)
    if q == 1:
        return np.zeros(shape), np.zeros(shape)
    if name == "alpha_dropout":
        kept, (a, b, c) = keep(shape, rate, **where), affine(q)
        return np.where(kept, a, 0), np.where(kept, b, c)
    if name == "gaussian_dropout":
        return 1 + np.sqrt(q / (1 - q)) * normal(shape, **where), np.zeros(shape)
    return 1 + np.sqrt(3 * q / (1 - q)) * (2 * uniform(shape, **where) - 1), np.zeros(shape)


def check(name, rate, x, y, **where):
    """An output is the law's, within what rounding and a normal's tolerance allow."""
    slope, shift = (np.broadcast_to(part, x.shape) for part in factors(name, rate, x.shape, **where))
    wide, found = array(x).astype(np.float64), array(y).astype(np.float64)
    q = 0 if name == "gaussian_noise" or quantise(rate) == 1 else quantise(rate)
    size = rate if name == "gaussian_noise" else np.sqrt(q / (1 - q))
    # A normal may be off by 2^-20 of its radius, 6.66 at most; besides, the numbers, the draw, the product and the
    # sum are rounded, each to half a unit of float32, or a float64 or half type's, which is the last.
    draw = (
        6.67 * 2.0**-20 * size * (1 if name == "gaussian_noise" else np.abs(wide))
        if "gaussian" in name
        else 0
    )
    exact = np.float64 if y.dtype == tf.float64 else np.float32
    parts = np.abs(slope * wide) + np.abs(shift) + 2 * size * np.abs(wide)
    rounding = 6 * np.finfo(exact).eps * parts + 2.0**-8 * np.abs(found) * (y.dtype.size == 2)
    off = np.abs(slope * wide + shift - found)
    assert (off <= draw + rounding + 1e-7 * (y.dtype == tf.float16)).all(), off.max()


def values(shape, dtype=tf.float32, seed=1):
    """Ordinary numbers."""
    return tf.cast(np.random.default_rng(seed).standard_normal(shape), dtype)


@laws
class TestLaws:
    """All four."""

    @settings(max_examples=30)
    @given(place=places(), dtype=st.sampled_from(DTYPES), rate=RATES, address=addresses())
    def test_eager(self, name, place, dtype, rate, address):
        """Any shape, sharing, window, dtype, rate and address."""
        x = values(place.shape, dtype)
        y = getattr(tt, name)(x, rate, share=place.share, window=place.window, **address)

        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        check(name, rate, x, y, share=place.share, window=place.window, **address)

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
    @pytest.mark.parametrize("kind", ["constant", "tensor"])
    @ways
    def test_each_way(self, name, way, kind, dtype):
        """With a rate that is a number or a tensor; the gradient is the slope."""
        rate = 0.25 if kind == "constant" else tf.constant(0.25, tf.float64)

        def both(x, rate):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = getattr(tt, name)(x, rate, **WHERE)
            return y, tape.gradient(y, x)

        x = values((5, 37), dtype)
        y, gradient = way(both)(x, rate)
        slope, _ = factors(name, 0.25, x.shape, **WHERE)

        check(name, 0.25, x, y, **WHERE)
        np.testing.assert_allclose(array(gradient).astype(np.float64), slope, rtol=2**-7, atol=2**-7)
        if dtype == tf.float32:
            np.testing.assert_allclose(gradient, slope, rtol=2**-17, atol=2**-17)

    @ways
    @pytest.mark.parametrize("rate", [0.0, 1.0])
    @pytest.mark.parametrize("kind", ["constant", "tensor"])
    def test_the_ends(self, name, way, rate, kind):
        """At rate 0 nothing changes, at rate 1 nothing is left, not even of an infinity; gradients are finite."""

        def both(x, rate):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = getattr(tt, name)(x, rate, **WHERE)
            return y, tape.gradient(y, x)

        if name == "gaussian_noise" and rate:
            return
        x = tf.constant([1.0, -0.0, 3.5, -2.0] + [np.inf] * int(rate))
        y, gradient = way(both)(x, rate if kind == "constant" else tf.constant(rate))
        expected = array(x) if rate == 0 else np.zeros(5)

        np.testing.assert_array_equal(expected, y)
        assert rate == 1 or np.array_equal(np.signbit(expected), np.signbit(y))
        np.testing.assert_array_equal(np.full(len(x), 1 - rate), gradient)

    def test_a_step_that_moves_traces_once(self, name):
        """Step and rate are data."""
        run = tf.function(lambda x, rate, step: getattr(tt, name)(x, rate, seed=3, step=step))
        x = values((64,))
        for step, rate in enumerate((0.25, 0.5, 0.125)):
            y = run(x, tf.constant(rate), tf.constant(step))
            check(name, rate, x, y, seed=3, step=step)

        assert run.experimental_get_tracing_count() == 1

    @ways
    def test_windows(self, name, way):
        """Starts and ids that are traced, in a graph whose sizes are not known."""
        x, ids = values((4, 5)), tf.constant([3, 1, 1, 0])
        spec = tf.TensorSpec([None, 5])

        def run(x, ids):
            return getattr(tt, name)(x, 0.5, window=((9, 8), (ids, 2)), **WHERE)

        if way is tf.function:
            way = lambda run: tf.function(run, input_signature=[spec, tf.TensorSpec([None], tf.int32)])  # noqa: E731
        y = way(run)(x, ids)

        check(name, 0.5, x, y, window=((9, 8), ([3, 1, 1, 0], 2)), **WHERE)

    def test_memory(self, name):
        """Nothing goes from forward to backward but the step, of noise not even that."""
        found = carried(lambda x, step: getattr(tt, name)(x, 0.5, seed=7, step=step))

        assert found == ([] if name == "gaussian_noise" else [1])

    def test_second_derivative(self, name):
        """Of `sum(y^3)`, which needs the slope twice."""
        x = tf.cast(values((50,)), tf.float64)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(getattr(tt, name)(x, 0.25, **WHERE) ** 3)
            first = inner.gradient(total, x)
        slope, shift = factors(name, 0.25, (50,), **WHERE)
        y = slope * x.numpy() + shift

        np.testing.assert_allclose(6 * slope**2 * y, outer.gradient(first, x), rtol=2**-16, atol=2**-14)

    def test_integers(self, name):
        """Cannot be scaled; also in a graph the error is ours."""
        for way in (WAYS["eager"], WAYS["graph"]):
            with pytest.raises(DtypeError, match=r"tf\.cast\(x, tf\.float32\)"):
                way(getattr(tt, name))(tf.constant([1]), 0.5, seed=0)

    @pytest.mark.parametrize("rate", [-0.5, float("nan"), float("inf")])
    def test_rates(self, name, rate):
        """Say what was expected."""
        with pytest.raises(RateError, match="expected"):
            getattr(tt, name)(tf.ones(3), rate, seed=0)
        with pytest.raises(
            RateError, match="as one number or a tensor of one; got a float32 tensor of shape"
        ):
            getattr(tt, name)(tf.ones(3), tf.constant([0.5]), seed=0)


class TestAlpha:
    """The one whose numbers are exact but for products."""

    @pytest.mark.parametrize("way", [WAYS["eager"], WAYS["graph"]], ids=["eager", "graph"])
    def test_bits(self, way):
        """Rounded product by rounded sum, in float32; XLA may contract them."""
        x = values((1000,))
        a, b, c = (np.float32(value) for value in affine(quantise(0.3)))
        expected = np.where(keep((1000,), 0.3, **WHERE), x.numpy() * a + b, c)

        np.testing.assert_array_equal(expected, way(tt.alpha_dropout)(x, 0.3, **WHERE))


class TestStochasticRelu:
    """`stochastic_relu`."""

    @ways
    def test_is_dropout_of_a_rectifier(self, way):
        """Forward and backward."""

        def both(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tt.stochastic_relu(x, 0.5, **WHERE)
            return y, tape.gradient(y, x)

        x = values((100,))
        y, gradient = way(both)(x)
        slope = np.where(keep((100,), 0.5, **WHERE) & (x.numpy() > 0), 2.0, 0.0)

        np.testing.assert_array_equal(slope * x.numpy(), y)
        np.testing.assert_array_equal(slope, gradient)


class TestRaw:
    """`keep`, `uniform`, `normal`."""

    @settings(max_examples=30)
    @given(place=places(), rate=RATES, address=addresses())
    def test_eager(self, place, rate, address):
        """Any shape, sharing, window, rate and address."""
        where = {"share": place.share, "window": place.window, **address}
        u, z = (draw(place.shape, dtype=tf.float64, **where) for draw in (tt.uniform, tt.normal))

        np.testing.assert_array_equal(keep(place.shape, rate, **where), tt.keep(place.shape, rate, **where))
        np.testing.assert_array_equal(uniform(place.shape, **where), u)
        assert (np.abs(normal(place.shape, **where) - z) <= 6.67 * 2.0**-20).all()

    @pytest.mark.parametrize("run", [3, 1000])
    @ways
    def test_each_way(self, way, run):
        """Rows that begin with a block, and such that do not; a shape may be traced."""
        window = ((9, 2**33), ([2, 7, 0], 2**32 - 1))
        shape = (3, run)
        found = way(
            lambda: (tt.keep(shape, 0.3, window=window, **WHERE), tt.normal(shape, window=window, **WHERE))
        )

        kept, z = found()
        np.testing.assert_array_equal(keep(shape, 0.3, window=window, **WHERE), kept)
        assert np.abs(normal(shape, window=window, **WHERE) - z).max() <= 6.67 * (2.0**-20 + 2.0**-23)

    def test_normals_at_both_ends(self):
        """A radius is near 0 where its word is nearly 2^32, of which float32 has too few digits."""
        z, exact = tt.normal((2**19,), **WHERE).numpy(), normal((2**19,), **WHERE)
        graph = tf.function(lambda: tt.normal((2**19,), **WHERE))().numpy()
        radius = np.repeat(np.hypot(exact[::2], exact[1::2]), 2)

        for found in (z, graph):
            # The law's tolerance, and the rounding of the result to float32.
            assert (np.abs(found - exact) <= radius * (2.0**-20 + 2.0**-24)).all()
        assert radius.min() < 0.01

    def test_a_traced_shape(self):
        """Of sizes that are known as the graph runs."""
        run = tf.function(
            lambda x: tt.keep(tf.shape(x), 0.5, share=1, **WHERE),
            input_signature=[tf.TensorSpec([None, None])],
        )

        np.testing.assert_array_equal(keep((4, 7), 0.5, share=1, **WHERE), run(tf.ones((4, 7))))
        np.testing.assert_array_equal(keep((4, 7), 0.5, **WHERE), tt.keep(tf.constant([4, 7]), 0.5, **WHERE))

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
    def test_dtypes(self, dtype):
        """Are what was asked for; others are refused."""
        assert (
            dtype == tt.normal((3,), seed=0, dtype=dtype).dtype == tt.uniform((3,), seed=0, dtype=dtype).dtype
        )
        with pytest.raises(DtypeError, match="got int32 of shape"):
            tt.normal((3,), seed=0, dtype=tf.int32)
