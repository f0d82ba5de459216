"""What `thinned.tensorflow` refuses, and what importing it brings."""

import pytest
import tensorflow as tf

from tests.architecture.test_imports import HEAVY
from tests.subprocesses import python
from thinned.errors import AddressError, DtypeError, RateError, ShareError, WindowError
from thinned.tensorflow import dropout

CALLS = pytest.mark.parametrize("call", [dropout, tf.function(dropout)], ids=["eager", "graph"])
ONES = tf.ones((4, 5))


@CALLS
class TestErrors:
    """Said while tracing, or at the call."""

    @pytest.mark.parametrize("dtype", [tf.int32, tf.complex64, tf.bool, tf.string])
    def test_a_dtype_that_cannot_be_scaled(self, call, dtype):
        """The message names dtype, shape and what to do."""
        with pytest.raises(DtypeError, match=rf"got {dtype.name} of shape \(3,\); convert it with tf.cast"):
            call(tf.constant(["a"] * 3) if dtype == tf.string else tf.zeros(3, dtype), 0.5, seed=0)

    @pytest.mark.parametrize("x", [None, object(), [[1.0], []]], ids=lambda x: type(x).__name__)
    def test_what_is_no_tensor(self, call, x):
        """It is refused by name."""
        with pytest.raises(
            DtypeError, match=rf"a tensor to drop from; got {type(x).__name__}\. Give it as one"
        ):
            call(x, 0.5, seed=0)

    @pytest.mark.parametrize(
        "x",
        [tf.ragged.constant([[1.0], []]), tf.sparse.from_dense([1.0]), tf.IndexedSlices(ONES, tf.range(4))],
        ids=lambda x: type(x).__name__,
    )
    def test_tensors_that_are_not_dense(self, call, x):
        """Their elements have no index; the message says where dense ones are to be had."""
        with pytest.raises(DtypeError, match=r"got a (RaggedTensor|SparseTensor|IndexedSlices), .*to_dense"):
            call(x, 0.5, seed=0)

    @pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), 1e-9])
    def test_constant_rates(self, call, rate):
        """A plain number is checked."""
        with pytest.raises(RateError):
            tf.function(lambda: call(ONES, rate, seed=0))()

    @pytest.mark.parametrize("rate", [tf.constant([0.5]), tf.constant(True), tf.constant(1j)])
    def test_rates_in_tensors(self, call, rate):
        """They hold one real number."""
        with pytest.raises(RateError, match="a tensor of one"):
            call(ONES, rate, seed=0)

    @pytest.mark.parametrize("bad", [2**64, 1.5, True, None])
    def test_plain_coordinates(self, call, bad):
        """As in every front end."""
        with pytest.raises(AddressError):
            call(ONES, 0.5, seed=bad)

    @pytest.mark.parametrize("bad", [tf.constant(1.0), tf.constant([1]), tf.constant(True)])
    def test_coordinates_in_tensors(self, call, bad):
        """They hold one integer; the message names which coordinate."""
        with pytest.raises(
            AddressError, match=r"expected step as an integer or a tensor of one integer; got a"
        ):
            call(ONES, 0.5, seed=0, step=bad)

    @pytest.mark.parametrize("share", [2, (0, 0), (0, -2), "a"])
    def test_shared_axes(self, call, share):
        """They exist, once."""
        with pytest.raises(ShareError):
            call(ONES, 0.5, seed=0, share=share)

    @pytest.mark.parametrize(
        "window",
        [
            3,
            ((8, 5), 0),
            ((8,), (0,)),
            ((8, 5), (5, 0)),
            ((8, 5), (-1, 0)),
            ((8, 5), ([0, 1, 2, 8], 0)),
            ((8, 5), ([0, 1, 2], 0)),
            ((8.5, 5), (0, 0)),
            ((8, 5), (1.5, 0)),
            ((8, 5), (tf.constant([0, 1, 2]), 0)),
            ((8, 5), (tf.constant(1.0), 0)),
            ((2**48, 2**4), (0, 0)),
        ],
        ids=str,
    )
    def test_windows(self, call, window):
        """They lie in their global shape, as far as that is known."""
        with pytest.raises(WindowError):
            tf.function(lambda: call(ONES, 0.5, seed=0, window=window))()
        with pytest.raises(WindowError):
            dropout(ONES, 0.5, seed=0, window=window)


class TestUnknownSizes:
    """What is known of a window is checked though the tensor's own size is not."""

    @pytest.mark.parametrize(
        "window", [((8, 5), (9, 0)), ((8, 4), (0, 0)), ((8, 5), ([0, 8], 0)), ((8,), (0,)), ((8, 5), (0, 1))]
    )
    def test_windows(self, window):
        """Starts and ids outside the global shape are refused while tracing."""
        run = tf.function(lambda x: dropout(x, 0.5, seed=0, window=window))
        with pytest.raises(WindowError):
            run.get_concrete_function(tf.TensorSpec([None, 5]))

    @pytest.mark.parametrize(
        ("where", "error"), [({"share": 0}, ShareError), ({"window": ((8,), (0,))}, WindowError)]
    )
    def test_unknown_rank(self, where, error):
        """Axes need to be counted; the message says how to fix them."""
        run = tf.function(lambda x: dropout(x, 0.5, seed=0, **where))
        with pytest.raises(error, match=r"tf\.ensure_shape"):
            run.get_concrete_function(tf.TensorSpec(None))

    def test_a_shared_axis_needs_no_window(self):
        """Both its entries are ignored, whatever they are."""
        run = tf.function(lambda x: dropout(x, 0.5, seed=0, share=1, window=((8, 0), (2, None))))

        found = run(tf.ones((4, 5)))
        assert bool(
            tf.reduce_all(found == dropout(tf.ones((4, 5)), 0.5, seed=0, share=1, window=((8, 1), (2, 0))))
        )


def brought(statement):
    """Which heavy packages a fresh process has loaded after `statement`."""
    code = f"import sys; {statement}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    return set(python(code)[0].split())


class TestImport:
    """The door."""

    def test_brings_no_framework_but_its_own(self):
        """TensorFlow itself looks for others; we add the compiler of our kernels and nothing else."""
        added = brought("import thinned.tensorflow") - brought("import tensorflow")

        assert added - {"scipy"} == {"numba"}

    def test_the_check_can_fail(self):
        """It sees what really is imported."""
        assert "torch" in brought("import tensorflow, torch")

    @pytest.mark.parametrize(
        ("stand_in", "message"),
        [
            ("sys.modules['tensorflow'] = None", "pip install 'thinned[tensorflow]'"),
            (
                "import types; old = types.ModuleType('tensorflow'); old.__version__ = '2.9.1'; "
                "sys.modules['tensorflow'] = old",
                "expected tensorflow 2.18 or newer; got 2.9.1",
            ),
        ],
        ids=["absent", "old"],
    )
    def test_without_tensorflow(self, stand_in, message):
        """Absent or too old, the error says what to do."""
        code = f"""
            import sys; {stand_in}
            from thinned.errors import MissingExtraError
            try:
                import thinned.tensorflow
            except MissingExtraError as error:
                print(error)
        """
        assert message in python(code)[0]
