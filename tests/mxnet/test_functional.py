"""`thinned.mxnet.dropout`: the law, on both interfaces, imperative, on the tape and in graphs."""

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from mxnet import autograd, gluon

from tests.mxnet.truth import DTYPES, dropped, odd_values, same
from tests.strategies import RATES, addresses, places
from thinned.errors import AddressError, DtypeError, RateError, ShareError, WindowError
from thinned.mxnet import dropout

WHERE = {"seed": 11, "site": 12, "step": 13, "draw": 14}


class Graph(gluon.HybridBlock):
    """A block that drops what it is given, hybridised; coordinates may be inputs."""

    def __init__(self, rate=0.5, names=(), **keywords):
        super().__init__()
        self.rate, self.names, self.keywords = rate, names, keywords
        self.hybridize()

    def hybrid_forward(self, F, x, *values):  # noqa: N803
        """Drop."""
        return dropout(x, self.rate, **self.keywords, **dict(zip(self.names, values, strict=True)))


class TestLaw:
    """The bits."""

    @given(place=places(), rate=RATES, where=addresses())
    def test_is_the_law(self, place, rate, where):
        """At any address, rate, sharing and window."""
        with mx.util.np_shape(True), mx.util.np_array(True):
            x = np.ones(place.shape, np.float32)
            y = dropout(mx.np.array(x), rate, share=place.share, window=place.window, **where)

        assert same(dropped(x, rate, place.share, place.window, **where), y)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_every_dtype_and_odd_value(self, xp, dtype):
        """Products are rounded once, and dropping selects +0."""
        x = odd_values((7, 33), dtype)

        assert same(dropped(x, 0.3, **WHERE), dropout(xp.array(x, dtype=dtype), 0.3, **WHERE))

    def test_kind_is_kept(self, xp):
        """What comes back is of the interface that came in."""
        x = xp.ones((2, 3))

        assert type(x) is type(dropout(x, 0.5, seed=0))
        assert type(x) is type(dropout(x, 0.5, seed=0)[0])

    def test_rate_in_an_array(self, xp):
        """It is read anew at each call."""
        rate = xp.zeros(1)
        for value in (0.25, 0.5):
            rate[:] = value

            assert same(dropped(np.ones(99, np.float32), value, seed=0), dropout(xp.ones(99), rate, seed=0))

    def test_views_and_pending_work(self, xp):
        """Slices, and arrays that the engine is still computing."""
        x = xp.ones((300, 300))
        for _ in range(3):
            x = xp.dot(x, x) / 300
        whole = x.asnumpy()

        assert same(dropped(whole[100:200], 0.5, seed=0), dropout(x[100:200], 0.5, seed=0))

    def test_what_a_convolution_left(self):
        """Its own layout of memory is undone before anything is dropped."""
        x = mx.nd.random.normal(shape=(2, 16, 9, 9))
        weight = mx.nd.random.normal(shape=(16, 16, 3, 3))
        y = mx.nd.Convolution(x, weight, no_bias=True, kernel=(3, 3), num_filter=16)
        found = dropout(y, 0.5, seed=0, share=(2, 3))

        assert same(dropped(y.asnumpy(), 0.5, (2, 3), seed=0), found)

    def test_no_elements_and_no_axes(self):
        """Empty arrays, and single numbers."""
        with mx.util.np_shape(True):
            assert (0, 3) == dropout(mx.np.ones((0, 3)), 0.5, seed=0).shape
            assert same(dropped(np.float32(1).reshape(()), 0.5, seed=0), dropout(mx.np.ones(()), 0.5, seed=0))


class TestTape:
    """Gradients."""

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("graph", [False, True])
    def test_gradient_has_the_same_mask(self, xp, dtype, graph):
        """The incoming gradient, dropped at the same address."""
        x, weight = xp.ones((5, 40), dtype=dtype), odd_values((5, 40), dtype)
        x.attach_grad()
        drop = Graph(0.25, **WHERE) if graph else lambda x: dropout(x, 0.25, **WHERE)
        with autograd.record():
            y = drop(x)
        y.backward(xp.array(weight, dtype=dtype))

        assert same(dropped(weight, 0.25, **WHERE), x.grad)

    @pytest.mark.parametrize("graph", [False, True])
    def test_gradients_add_up(self, xp, graph):
        """`grad_req="add"` adds to what is there."""
        x = xp.ones((4, 8))
        x.attach_grad(grad_req="add")
        drop = Graph(0.5, seed=1) if graph else lambda x: dropout(x, 0.5, seed=1)
        for _ in range(2):
            with autograd.record():
                y = drop(x)
            y.backward()

        assert same(2 * dropped(np.ones((4, 8), np.float32), 0.5, seed=1), x.grad)

    def test_rate_one_has_gradient_zero(self, xp):
        """Finite, though 1 / (1 - rate) is not."""
        x = xp.ones(8)
        x.attach_grad()
        with autograd.record():
            y = dropout(x, 1, seed=0)
        y.backward()

        assert same(np.zeros(8, np.float32), x.grad)

    def test_nothing_is_left_behind(self):
        """When the tape goes, so does what it was about."""
        from thinned.mxnet import _gradient

        x = mx.nd.ones(8)
        x.attach_grad()
        before = len(_gradient._table)
        for _ in range(5):
            with autograd.record():
                y = dropout(x, 0.5, seed=0)
            y.backward()
        del y
        mx.nd.waitall()

        assert len(_gradient._table) <= before + 1

    def test_second_derivatives_are_refused(self):
        """MXNet cannot record a backward pass of Python's; it says so, and gives no wrong number."""
        x = mx.nd.ones(8)
        x.attach_grad()
        with autograd.record():
            y = dropout(x, 0.5, seed=0) ** 2
            (first,) = autograd.grad(y, [x], create_graph=True, retain_graph=True)
        with pytest.raises(mx.MXNetError, match="non-differentiable"):
            first.backward()


class TestGraph:
    """Hybridised blocks."""

    @given(place=places(max_axes=3, max_size=5), rate=RATES, where=addresses())
    def test_is_the_law(self, place, rate, where):
        """At any address, rate, sharing and window."""
        with mx.util.np_shape(True), mx.util.np_array(True):
            x = np.ones(place.shape, np.float32)
            y = Graph(rate, share=place.share, window=place.window, **where)(mx.np.array(x))

        assert same(dropped(x, rate, place.share, place.window, **where), y)

    def test_coordinates_move_in_one_graph(self, xp):
        """As inputs they make no new graph, whatever they are."""
        graph = Graph(names=("seed", "site", "step", "draw"))
        x = np.ones((3, 7), np.float32)
        values = [(1, 2, 3, 4), (-1, 2**32 - 1, 0, 65535), (2**63 - 1, 0, 2**32 - 1, 1)]
        made = set()
        for each in values:
            y = graph(xp.array(x), *(xp.array([value], dtype="int64") for value in each))
            made.add(graph._cached_op)

            assert same(dropped(x, 0.5, **dict(zip(graph.names, each, strict=True))), y)
        assert len(made) == 1

    def test_int32_too(self, xp):
        """Steps in 32 bits; and new shapes in the same block."""
        graph = Graph(names=("step",), seed=3)
        for size in (5, 9):
            y = graph(xp.ones(size), xp.array([size], dtype="int32"))

            assert same(dropped(np.ones(size, np.float32), 0.5, seed=3, step=size), y)

    def test_arrays_as_coordinates(self, xp):
        """Outside graphs an array of one integer is as good."""
        y = dropout(xp.ones(9), 0.5, seed=xp.array([-1], dtype="int64"), step=xp.array([7], dtype="int32"))

        assert same(dropped(np.ones(9, np.float32), 0.5, seed=-1, step=7), y)


class TestErrors:
    """What is refused, and how."""

    @pytest.mark.parametrize(
        ("error", "arguments"),
        [
            (RateError, {"rate": 1.5}),
            (RateError, {"rate": float("nan")}),
            (AddressError, {"seed": 2**64}),
            (AddressError, {"step": -1}),
            (AddressError, {"site": 1.5}),
            (ShareError, {"share": 2}),
            (WindowError, {"window": ((2, 3), (1, 0))}),
        ],
    )
    def test_arguments(self, error, arguments):
        """As everywhere."""
        with pytest.raises(error):
            dropout(mx.nd.ones((2, 3)), **({"rate": 0.5, "seed": 0} | arguments))

    def test_dtypes(self):
        """Integers are named, with what to do."""
        with pytest.raises(DtypeError, match=r"got int32 .*astype"):
            dropout(mx.nd.ones(3, dtype="int32"), 0.5, seed=0)

    @pytest.mark.parametrize("x", [np.ones(3), [1.0, 2.0]])
    def test_no_array_of_mxnets(self, x):
        """It is refused with what to do."""
        with pytest.raises(DtypeError, match=r"mx\.np\.ndarray; got (ndarray|list); .*mx\.nd\.array"):
            dropout(x, 0.5, seed=0)

    def test_sparse(self):
        """Sparse arrays too."""
        with pytest.raises(DtypeError, match="row_sparse"):
            dropout(mx.nd.sparse.zeros("row_sparse", (3, 2)), 0.5, seed=0)

    def test_coordinates_that_are_no_integers(self):
        """A float array, an array of two, a symbol beside an array."""
        for seed in (mx.nd.ones(1), mx.nd.ones(2, dtype="int64"), mx.sym.var("s")):
            with pytest.raises(AddressError, match="seed"):
                dropout(mx.nd.ones(3), 0.5, seed=seed)

    def test_float_coordinates_of_a_graph(self, capfd):
        """They are refused when the graph is made, in words."""
        with pytest.raises(mx.MXNetError):
            Graph(names=("step",), seed=0)(mx.nd.ones(3), mx.nd.ones(1)).asnumpy()

        assert "expected step as int32 or int64; got float32" in capfd.readouterr().err
