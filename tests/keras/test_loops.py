"""Draws in loops, and where Keras only asks for shapes."""

import keras
import numpy as np
import pytest

import thinned.keras as tk
from tests.keras.models import K, array, compiled, dropped, ones, step_of
from thinned.errors import BindError

ops = keras.ops


@keras.saving.register_keras_serializable("tests")
class Cell(keras.Layer):
    """Drops its input, and keeps no memory of it."""

    def __init__(self, units=16, **arguments):
        super().__init__(**arguments)
        self.state_size = self.output_size = units
        self.drop = tk.layers.Dropout(0.5)

    def call(self, x, states, training=None):
        """The state is the output."""
        y = self.drop(x, training=training)
        return y, [y]


class Looped(keras.Model):
    """Calls its layer in a loop."""

    def __init__(self, loop):
        super().__init__()
        self.loop, self.drop = loop, tk.layers.Dropout(0.5)

    def call(self, x, training=None):
        """Rows, one by one."""
        return self.loop(lambda row: self.drop(row, training=training), x)


def recurrent(**arguments):
    """A network of one recurrent layer."""
    layer = K.RNN(Cell(), return_sequences=True, name="r", **arguments)
    return tk.bind(keras.Sequential([keras.Input((4, 16)), layer]), 0)


LOOPS = {
    "map": ops.map,
    "vectorized_map": ops.vectorized_map,
    "scan": lambda f, x: ops.scan(lambda carry, row: (carry, f(row)), ops.zeros(()), x)[1],
    "fori_loop": lambda f, x: ops.fori_loop(0, 2, lambda _, y: f(y), x),
    "while_loop": lambda f, x: ops.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, f(y)), (0, x))[1],
}


class TestLoops:
    """A mask for each step would need an address for each."""

    @pytest.mark.parametrize("is_compiled", [False, True], ids=["eager", "compiled"])
    def test_recurrent_layers(self, is_compiled):
        """Are refused, compiled or not, with what to do."""
        model = compiled(recurrent())
        x = ones(2, 4, 16)
        call = (lambda: model.train_on_batch(x, x)) if is_compiled else (lambda: model(x, training=True))
        with pytest.raises(BindError, match=r"layer 'r.cell.drop' outside of loops; .* RNN\(unroll=True\)"):
            call()

    def test_unrolled_ones(self):
        """Have a use for each step, the first of them the plain name."""
        y = array(recurrent(unroll=True)(ones(2, 4, 16), training=True))

        for time, site in enumerate(["r.cell.drop", "r.cell.drop#1", "r.cell.drop#2", "r.cell.drop#3"]):
            assert np.array_equal(dropped((2, 16), 0.5, seed=0, site=site), y[:, time])

    def test_evaluation(self):
        """Nothing is drawn, and nothing refused."""
        assert np.array_equal(ones(2, 4, 16), array(recurrent()(ones(2, 4, 16))))

    @pytest.mark.parametrize("loop", LOOPS)
    def test_loops_of_keras(self, loop):
        """Are refused too."""
        model = tk.bind(Looped(LOOPS[loop]), 0)
        # TensorFlow makes errors of its own of those that functions of its vectorized_map raise.
        with pytest.raises(Exception, match="layer 'drop' outside of loops; got one in the body of "):
            model(ones(4, 16), training=True)

    def test_around_the_model(self):
        """A loop is the caller's, who has a step for each."""
        model = recurrent(unroll=True)
        if keras.backend.backend() == "jax":
            pytest.skip("JAX's loops carry their state: see stateless_call")
        ops.fori_loop(0, 3, lambda _, x: model(x, training=True), ops.ones((2, 4, 16)))

        assert 3 == step_of(model)

    def test_branches(self):
        """Are no loops."""
        model = Looped(lambda f, x: ops.cond(ops.max(x) > 0, lambda: f(x), lambda: x))
        y = tk.bind(model, 3)(ones(4, 16), training=True)

        assert np.array_equal(dropped((4, 16), 0.5, seed=3, site="drop"), array(y))


class Always(keras.Layer):
    """Drops in evaluation too."""

    def __init__(self):
        super().__init__()
        self.drop = tk.layers.Dropout(0.5)

    def call(self, x):
        """Always."""
        return self.drop(x, training=True)


class Unbuilt(keras.Layer):
    """Keras calls it for shapes before it calls it, since its parts are not built."""

    def __init__(self):
        super().__init__()
        self.drop, self.dense = tk.layers.Dropout(0.5), K.Dense(16, kernel_initializer="identity")

    def call(self, x):
        """Shape stays."""
        return self.dense(self.drop(x, training=True))


class TestShapes:
    """Where Keras asks for shapes, nothing is drawn."""

    @pytest.mark.parametrize("bound", [False, True])
    def test_of_unknown_batches(self, bound):
        """Let a layer that always drops be built."""
        model = keras.Sequential([keras.Input((16,)), Always()])
        if bound:
            tk.bind(model, 0)
        found = [array(model(ones(4, 16))) for _ in range(2)]

        assert (None, 16) == model.output_shape
        assert not np.array_equal(*found)

    def test_are_no_use(self):
        """The first call has the plain name."""
        model = tk.bind(keras.Sequential([Unbuilt()]), 0)

        for step in range(2):
            y = model(ones(4, 16), training=True)
            assert np.array_equal(dropped((4, 16), 0.5, seed=0, site="unbuilt.drop", step=step), array(y))

    def test_are_no_row_of_the_table(self):
        """Each site is there once."""
        assert ["unbuilt.drop"] == [
            site.name for site in tk.sites(keras.Sequential([Unbuilt()]), ones(4, 16))
        ]
