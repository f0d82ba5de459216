"""What a user may have set for the whole process, and where replicas and steps that move are to be named."""

import numpy as np
import pytest
import tensorflow as tf

from tests.subprocesses import python
from thinned.tensorflow import dropout


@pytest.mark.parametrize("mode", ["all", "safe"])
def test_numpys_types(mode):
    """TensorFlow's NumPy mode takes plain integers for int32; wide addresses and indices are what they were."""
    python(f"""
        import numpy as np, tensorflow as tf
        tf.experimental.numpy.experimental_enable_numpy_behavior(dtype_conversion_mode={mode!r})
        from thinned.mask import keep
        from thinned.tensorflow import dropout
        x, at = tf.ones((4, 5)), dict(seed=2**63 + 5, step=2**31, site="fc1", draw=2**15)
        wide = (2**31 + 90, 2**9)
        for compiled in (False, True):
            def run(function, *args):
                return np.asarray(tf.function(function, jit_compile=compiled)(*args)) != 0
            def whole(rate):
                return dropout(x, rate, **at)
            def traced(step):
                return dropout(x, 0.5, seed=step, site=step, step=step, draw=step)
            def start(start):
                return dropout(x, 0.5, window=(wide, (start, 3)), **at)
            def ids(ids):
                return dropout(x, 0.5, window=((90, 5), (ids, 0)), **at)
            numbers = [3, 1, 1, 0]
            assert (run(whole, tf.constant(0.5)) == keep((4, 5), 0.5, **at)).all()
            assert (run(traced, tf.constant(5)) == keep((4, 5), 0.5, seed=5, site=5, step=5, draw=5)).all()
            for first in (7, 2**31 + 9):
                expected = keep((4, 5), 0.5, window=(wide, (first, 3)), **at)
                assert (run(start, tf.constant(np.int64(first))) == expected).all()
            expected = keep((4, 5), 0.5, window=((90, 5), (np.array(numbers), 0)), **at)
            assert (run(ids, tf.constant(numbers)) == expected).all()
    """)


def test_recomputed_at_a_step_that_has_moved():
    """As an argument the step is what it was; the guide says so, since a variable read inside is not."""
    step = tf.Variable(0)
    layer = tf.recompute_grad(lambda x, step: dropout(x * x, 0.5, seed=0, step=step))
    x = tf.ones((4, 5))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, tf.identity(step))
        step.assign_add(1)

    np.testing.assert_array_equal(2 * y, tape.gradient(y, x))


def test_replicas():
    """Each has its rows of the mask, by its number in the group."""
    python("""
        import tensorflow as tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        from thinned.mask import keep
        from thinned.tensorflow import dropout
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        @tf.function
        def both(x):
            def replica(x):
                rows = tf.distribute.get_replica_context().replica_id_in_sync_group * 2
                return dropout(x, 0.5, seed=0, window=((4, 5), (rows, 0)))
            return strategy.run(replica, args=(x,))
        found = tf.concat(strategy.experimental_local_results(both(tf.ones((2, 5)))), 0)
        assert (found.numpy() != 0).tolist() == keep((4, 5), 0.5, seed=0).tolist()
    """)
