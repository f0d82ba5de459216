"""What TensorFlow does to functions: tracing, XLA, pipelines, recomputation, vectorising, saving."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from tests.tensorflow.truth import DTYPES, WHERE, dropped, odd_values, same
from thinned.mask import keep
from thinned.tensorflow import dropout

ONES = tf.ones((4, 5))


def kept(step, shape=(4, 5), **where):
    """What is kept of ones at a step."""
    return keep(shape, 0.5, seed=7, site="fc1", step=step, **where)


def drop(x, step, **where):
    """The same for a tensor."""
    return dropout(x, 0.5, seed=7, site="fc1", step=step, **where)


class TestTracing:
    """`tf.function`."""

    def test_a_step_that_moves_traces_once(self):
        """Variables and tensors are data; each call has the mask of its step, first or later."""
        run, step = tf.function(drop), tf.Variable(0, dtype=tf.int64)
        for now in (0, 1, 2, 2**32 - 1):
            step.assign(now)
            np.testing.assert_array_equal(kept(now), run(ONES, step) != 0)
            np.testing.assert_array_equal(kept(now), run(ONES, tf.constant(now, tf.int64)) != 0)

        assert run.experimental_get_tracing_count() == 2  # one for each kind of step

    def test_the_mask_does_not_depend_on_traces(self):
        """A retrace draws nothing: after other shapes, the mask is what it was."""
        run, step = tf.function(drop), tf.constant(3)
        before = run(ONES, step)
        for size in (1, 2, 3):
            run(tf.ones((size, 5)), step)

        assert bool(tf.reduce_all(before == run(ONES, step)))
        assert run.experimental_get_tracing_count() == 4

    def test_the_whole_address_and_rate_move(self):
        """Seed, site, draw and rate in tensors: one trace serves them all."""
        run = tf.function(lambda rate, *at: dropout(ONES, rate, seed=at[0], site=at[1], draw=at[2]))
        for rate, *at in ((0.5, 1, 2, 3), (0.25, -1, 2**32 - 1, 2**16 - 1), (1.0, 0, 0, 0)):
            tensors = [tf.constant(value, tf.int64) for value in at]
            expected = keep((4, 5), rate, seed=at[0], site=at[1], draw=at[2])
            np.testing.assert_array_equal(expected, run(tf.constant(rate), *tensors) != 0)

        assert run.experimental_get_tracing_count() == 1

    def test_in_a_while_loop(self):
        """Each turn has its own mask, and the gradient repeats all of them."""

        @tf.function
        def run(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = x
                for turn in tf.range(3):
                    y = dropout(y, 0.25, seed=7, step=turn)
            return y, tape.gradient(y, x)

        through = np.prod(
            [dropped(np.ones((4, 5), np.float32), 0.25, seed=7, step=t) for t in range(3)], axis=0
        )
        for result in run(ONES):
            np.testing.assert_allclose(result, through, rtol=2**-22)


class TestXla:
    """`jit_compile=True`."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
    def test_the_law(self, dtype):
        """Bit for bit, in every dtype, forward and backward, with a traced step."""

        @tf.function(jit_compile=True)
        def run(x, gradient, step):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = dropout(x, 0.3, seed=-5, step=step, draw=2**16 - 1)
            return y, tape.gradient(y, x, gradient)

        x, gradient = (odd_values((37,), dtype, seed, subnormal=False) for seed in (0, 1))
        where = {"seed": -5, "step": 9, "draw": 2**16 - 1}

        for expected, actual in zip((x, gradient), run(x, gradient, tf.constant(9)), strict=True):
            assert same(dropped(expected, 0.3, **where), actual)

    def test_windows_with_traced_starts_and_ids(self):
        """One compilation, whatever the window."""

        @tf.function(jit_compile=True)
        def run(start, ids):
            return (
                drop(ONES, 0, window=((90, 5), (start, 0))),
                drop(ONES, 0, window=((90, 9), (start, 3))),
                drop(ONES, 0, window=((90, 5), (ids, 0))),
            )

        for start, ids in ((0, [3, 1, 1, 0]), (83, [89, 0, 7, 8])):
            of_rows, of_part, of_ids = run(tf.constant(start), tf.constant(ids))
            np.testing.assert_array_equal(kept(0, window=((90, 5), (start, 0))), of_rows != 0)
            np.testing.assert_array_equal(kept(0, window=((90, 9), (start, 3))), of_part != 0)
            np.testing.assert_array_equal(kept(0, window=((90, 5), (ids, 0))), of_ids != 0)
        assert run.experimental_get_tracing_count() == 1

    def test_a_traced_rate(self):
        """From nothing to all."""
        run = tf.function(lambda rate: dropout(ONES, rate, **WHERE), jit_compile=True)
        for rate in (0.0, 0.3, 1.0):
            np.testing.assert_array_equal(keep((4, 5), rate, **WHERE), run(tf.constant(rate)) != 0)


class TestTransforms:
    """Everything else that calls a function in its own way."""

    def test_in_a_pipeline(self):
        """A `tf.data` map, parallel, with the example's number as a window: the batch's own mask."""
        numbers = tf.data.Dataset.range(12)
        rows = numbers.map(lambda i: drop(tf.ones((1, 5)), 3, window=((12, 5), (i, 0))), num_parallel_calls=2)

        np.testing.assert_array_equal(kept(3, (12, 5)), np.concatenate(list(rows.as_numpy_iterator())) != 0)

    @pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
    def test_recomputed(self, wrap):
        """`recompute_grad` repeats the mask, with nothing to preserve."""
        block = tf.recompute_grad(lambda x: drop(tf.sin(drop(x, 1)), 2))

        @wrap
        def gradient(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = block(x)
            return tape.gradient(y, x)

        expected = np.where(kept(1) & kept(2), 4 * np.cos(2.0), 0)
        np.testing.assert_allclose(gradient(ONES), expected, rtol=1e-6)

    def test_vectorised_over_steps(self):
        """Each lane has the mask of its own address."""
        found = tf.vectorized_map(lambda step: drop(ONES, step), tf.range(3))

        np.testing.assert_array_equal([kept(step) for step in range(3)], found != 0)

    def test_vectorised_over_inputs(self):
        """An address that is not batched means one mask for all lanes."""
        found = tf.vectorized_map(lambda x: drop(x, 5), tf.ones((3, 4, 5)))

        np.testing.assert_array_equal([kept(5)] * 3, found != 0)

    def test_jacobian(self):
        """Of a linear map it is the map, however the lanes are batched."""
        x = tf.ones(5)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = dropout(x, 0.5, **WHERE)

        np.testing.assert_array_equal(
            np.diag(dropped(np.ones(5, np.float32), 0.5, **WHERE)), tape.jacobian(y, x)
        )


class Saved(tf.Module):
    """A step that is saved, and dropout at it."""

    def __init__(self):
        super().__init__()
        self.step = tf.Variable(5, dtype=tf.int64)

    @tf.function(input_signature=[tf.TensorSpec([None, 5])])
    def __call__(self, x):
        """Drop, and take a step."""
        y = drop(x, self.step)
        self.step.assign_add(1)
        return y


class TestSaved:
    """A SavedModel."""

    def test_goes_on_where_it_was(self, tmp_path):
        """It needs nothing but TensorFlow, has its step, and gradients at it."""
        tf.saved_model.save(Saved(), tmp_path)
        loaded = tf.saved_model.load(tmp_path)
        for step in (5, 6):
            with tf.GradientTape() as tape:
                tape.watch(ONES)
                y = loaded(ONES)

            np.testing.assert_array_equal(kept(step), y != 0)
            np.testing.assert_array_equal(2 * kept(step), tape.gradient(y, ONES))


def carried(dropping):
    """The sizes of what a traced gradient takes from its forward pass, the incoming gradient apart."""
    forward = set()

    @tf.function
    def run(x, gradient, step):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = dropping(x, step)
        operations = y.graph.get_operations()
        forward.update(operation.name for operation in operations if operation is not gradient.op)
        return tape.gradient(y, x, gradient)

    vector = tf.TensorSpec([1000])
    traced = run.get_concrete_function(vector, vector, tf.TensorSpec([], tf.int64))
    edges = {
        tensor.name: tensor
        for operation in traced.graph.get_operations()
        if operation.name not in forward
        for tensor in operation.inputs
        if tensor.op.name in forward
    }
    return sorted(tensor.shape.num_elements() for tensor in edges.values())


class TestMemory:
    """Nothing is kept for the gradient but the address."""

    def test_a_graph_carries_the_step(self):
        """One number goes from forward to backward."""
        assert carried(drop) == [1]

    def test_the_check_can_fail(self):
        """TensorFlow's own dropout carries its mask."""
        assert 1000 in carried(lambda x, step: tf.nn.dropout(x, 0.5))

    def test_eager_frees_its_input(self):
        """A tape holds neither what went in nor what came out."""
        x = tf.ones(1000)
        with tf.GradientTape() as tape:
            tape.watch(x)
            before = x + 1
            after = drop(before, 0)
            y = tf.identity(after)
        alive = [weakref.ref(before), weakref.ref(after)]
        del before, after
        gc.collect()

        assert [None, None] == [reference() for reference in alive]
        np.testing.assert_array_equal(2 * kept(0, (1000,)), tape.gradient(y, x))
