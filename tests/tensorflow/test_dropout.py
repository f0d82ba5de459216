"""`thinned.tensorflow.dropout` in eager mode and in graphs, against the law."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import RATES, addresses, places
from tests.tensorflow.truth import DTYPES, WHERE, dropped, odd_values, same, traced
from thinned.mask import keep, quantise, uniform
from thinned.tensorflow import dropout

DTYPE = st.sampled_from(DTYPES)
SHAPES = st.lists(st.integers(0, 6), max_size=4)


def in_graph(shape, rate, unknown=False, dtype=tf.float32, **where):
    """`dropout` in a `tf.function` of its own; sizes may be unknown while it is traced."""
    spec = tf.TensorSpec([None] * len(shape) if unknown else shape, dtype)
    return tf.function(lambda x: dropout(x, rate, **where), input_signature=[spec])


def as_tensors(window):
    """A window whose every index is a tensor."""
    sizes, index = window
    return sizes, [tf.constant(part, tf.int64) for part in index]


class TestEager:
    """Tensors that have values."""

    @given(shape=SHAPES, dtype=DTYPE, rate=RATES, address=addresses(), tensors=st.booleans())
    def test_output(self, shape, dtype, rate, address, tensors):
        """It is the law's mask applied, bit for bit, also where the address is in tensors."""
        x = odd_values(shape, dtype)

        actual = dropout(tf.constant(x), rate, **(traced(address) if tensors else address))

        assert same(dropped(x, rate, **address), actual)

    @given(place=places(), dtype=DTYPE, rate=RATES, address=addresses(), tensors=st.booleans())
    def test_share_and_window(self, place, dtype, rate, address, tensors):
        """Shared axes, and windows of starts and ids, in forward and backward."""
        x = tf.constant(odd_values(place.shape, dtype))
        gradient = odd_values(place.shape, dtype, seed=1)
        window = as_tensors(place.window) if tensors else place.window
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = dropout(x, rate, share=place.share, window=window, **address)
        where = {"share": place.share, "window": place.window, **address}

        assert same(dropped(x, rate, **where), y)
        assert same(dropped(gradient, rate, **where), tape.gradient(y, x, tf.constant(gradient)))

    def test_arrays_and_variables(self):
        """Whatever TensorFlow makes a tensor of can be dropped from; a variable receives its gradient."""
        x = tf.Variable([1.0, 2.0, 3.0])
        with tf.GradientTape() as tape:
            y = dropout(x, 0.5, **WHERE)

        assert same(dropped(x, 0.5, **WHERE), y)
        assert same(dropped(np.ones(3, np.float32), 0.5, **WHERE), tape.gradient(y, x))
        assert same(dropped(x, 0.5, **WHERE), dropout(np.float32([1, 2, 3]), 0.5, **WHERE))

    def test_the_input_stays(self):
        """The result has memory of its own."""
        x = tf.ones(1000)
        dropout(x, 0.5, **WHERE)

        assert bool(tf.reduce_all(x == 1))

    @pytest.mark.parametrize("rate", [-1.0, 0.0, 1e-9, 0.3, 1.0, 7.0, float("nan")])
    @pytest.mark.parametrize("graph", [False, True])
    def test_a_rate_in_a_tensor_quantises(self, rate, graph):
        """It is clamped, NaN drops all, and a tie rounds to even, without error."""
        constant = {-1.0: 0.0, 1e-9: 0.0, 7.0: 1.0}.get(rate, 1.0 if np.isnan(rate) else rate)
        x = odd_values((50,), tf.float32, subnormal=False)
        call = tf.function(dropout) if graph else dropout

        assert same(
            dropped(x, constant, **WHERE), call(tf.constant(x), tf.constant(rate, tf.float64), **WHERE)
        )

    def test_rate_1_in_a_tensor_drops_the_largest_draw(self):
        """A draw of 65535 is kept at every rate but 1, where an infinity goes too."""
        (largest,) = np.nonzero(uniform((2**18,), **WHERE) > 65535 / 65536)
        window = ((2**18,), (int(largest[0]),))
        run = tf.function(lambda rate: dropout([np.inf], rate, window=window, **WHERE))

        assert [np.inf] == run(tf.constant(1 - 2**-16)).numpy().tolist()
        assert [0.0] == run(tf.constant(1.0)).numpy().tolist()

    @pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.float16, tf.bfloat16])
    def test_a_rate_rounds_as_it_arrives(self, dtype):
        """The dtype's own 0.1, times 65536, half to even; half types hold fewer rates."""
        rate = tf.constant(0.1, dtype)
        level = round(float(rate) * 65536)
        expected = keep((1000,), level / 65536, **WHERE)

        for call in (dropout, tf.function(dropout)):
            np.testing.assert_array_equal(expected, call(tf.ones(1000), rate, **WHERE) != 0)


class TestGraph:
    """Tensors that will have values."""

    @settings(max_examples=25)  # each is traced
    @given(
        shape=SHAPES,
        dtype=DTYPE,
        rate=RATES,
        address=addresses(),
        tensors=st.booleans(),
        unknown=st.booleans(),
    )
    def test_output(self, shape, dtype, rate, address, tensors, unknown):
        """It is what eager mode gives, whether sizes are known or not."""
        x = odd_values(shape, dtype, subnormal=False)
        address_given = traced(address) if tensors else address

        actual = in_graph(shape, rate, unknown, dtype, **address_given)(tf.constant(x))

        assert same(dropped(x, rate, **address), actual)

    @settings(max_examples=25)
    @given(place=places(), rate=RATES, address=addresses(), tensors=st.booleans(), unknown=st.booleans())
    def test_share_and_window(self, place, rate, address, tensors, unknown):
        """Starts and ids may be tensors, and lengths unknown."""
        x = odd_values(place.shape, tf.float32, subnormal=False)
        window = as_tensors(place.window) if tensors else place.window

        run = in_graph(place.shape, rate, unknown, share=place.share, window=window, **address)

        assert same(dropped(x, rate, share=place.share, window=place.window, **address), run(tf.constant(x)))

    @pytest.mark.parametrize("start", [0, 5, 8 * (2**32 - 1) - 3, 2**51 - 40])
    @pytest.mark.parametrize("kind", ["start", "traced start", "traced ids"])
    @pytest.mark.parametrize("draw", [0, 2**16 - 1])
    def test_far_elements(self, start, kind, draw):
        """Indices beyond 2^32, and the last there are, do not run into another draw."""
        address = {"seed": -1, "site": 2**32 - 1, "step": 2**32 - 1, "draw": draw}
        total = 2**51
        ids = np.arange(start, start + 40)
        index = {"start": start, "traced start": tf.constant(start, tf.int64), "traced ids": tf.constant(ids)}
        expected = keep((40,), 0.5, window=((total,), (start,)), **address)

        run = in_graph((40,), 0.5, window=((total,), (index[kind],)), **address)

        np.testing.assert_array_equal(expected, run(tf.ones(40)) != 0)

    def test_coordinates_count_modulo_their_widths(self):
        """A traced value that is too wide is cut, a negative one is its two's complement."""
        narrow = {"seed": 2**64 - 7, "site": 2**32 - 1, "step": 3, "draw": 2**16 - 2}
        wide = {"seed": -7, "site": -1, "step": 2**32 + 3, "draw": -2}
        tensors = {name: tf.constant(value, tf.int64) for name, value in wide.items()}
        expected = keep((100,), 0.5, **narrow)

        for call in (dropout, tf.function(dropout)):
            np.testing.assert_array_equal(expected, call(tf.ones(100), 0.5, **tensors) != 0)

    @pytest.mark.parametrize("seed", [2**64 - 1, 2**63, 1])
    def test_unsigned_seeds(self, seed):
        """A uint64 seed is itself, also above 2^63."""
        run = tf.function(lambda seed: dropout(tf.ones(100), 0.5, seed=seed))

        np.testing.assert_array_equal(keep((100,), 0.5, seed=seed), run(tf.constant(seed, tf.uint64)) != 0)

    def test_unknown_rank(self):
        """Without sharing or window, elements are counted in order whatever the shape."""
        run = tf.function(lambda x: dropout(x, 0.5, **WHERE), input_signature=[tf.TensorSpec(None)])
        for shape in ((), (7,), (2, 3, 4)):
            x = odd_values(shape, tf.float32, subnormal=False)
            assert same(dropped(x, 0.5, **WHERE), run(tf.constant(x)))

    def test_shape_is_known_where_the_input_s_is(self):
        """What follows in the graph can rely on it."""
        run = in_graph((None, 5), 0.5, **WHERE)

        assert run.get_concrete_function().output_shapes.as_list() == [None, 5]


@pytest.mark.parametrize("call", [dropout, tf.function(dropout)], ids=["eager", "graph"])
class TestGradient:
    """The same mask, to every order."""

    @pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
    def test_second_derivative(self, call, rate):
        """Of `sum(y^3)`, finite also where nothing or all is dropped."""
        x = tf.constant(np.arange(1.0, 101.0))
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(call(x, rate, **WHERE) ** 3)
            first = inner.gradient(y, x)
        second = outer.gradient(first, x)

        factor = dropped(np.ones(100), rate, **WHERE)
        np.testing.assert_allclose(first, 3 * factor**3 * x.numpy() ** 2, rtol=2**-50)
        np.testing.assert_allclose(second, 6 * factor**3 * x.numpy(), rtol=2**-50)

    def test_none_for_the_rate(self, call):
        """A mask has no derivative with respect to its rate, and none is made up."""
        rate = tf.constant(0.5)
        with tf.GradientTape() as tape:
            tape.watch(rate)
            y = call(tf.ones(10), rate, **WHERE)

        assert tape.gradient(y, rate) is None

    def test_a_step_that_moved_on(self, call):
        """The gradient is thinned at the step of its forward pass, wherever the variable is by then."""
        step, x = tf.Variable(1, dtype=tf.int64), tf.ones(100)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x, 0.5, seed=0, step=step)
        step.assign(9)

        assert same(dropped(x, 0.5, seed=0, step=1), tape.gradient(y, x))


class TestUniform:
    """The textbook's comparison."""

    def test_agrees_with_the_mask(self):
        """`u > quantise(rate)` on the law's draws keeps what `dropout` keeps."""
        u = tf.constant(uniform((1000,), **WHERE))

        assert bool(tf.reduce_all((u > quantise(0.3)) == (dropout(tf.ones(1000), 0.3, **WHERE) != 0)))
