"""`convert` and the table of sites."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon import nn

import thinned.mxnet
from tests.mxnet.nets import Twice, in_mode, mlp, sequence
from tests.mxnet.truth import dropped, same
from thinned.errors import AddressError, BindError, RateError
from thinned.mxnet import bind, convert, sites


class ByHand(gluon.HybridBlock):
    """Drops in a functional call."""

    def hybrid_forward(self, F, x):  # noqa: N803
        """Drop."""
        return F.Dropout(x, p=0.5)


class TestConvert:
    """In place, with a report."""

    @pytest.mark.parametrize("mode", ["imperative", "graph"])
    def test_swaps(self, xp, mode):
        """The same objects, with the law's masks, also where graphs were made before."""
        net = in_mode(sequence(nn.Dropout(0.5)), mode)
        layer, x = net[0], np.ones(99, np.float32)
        with autograd.record():
            net(xp.array(x))
            report = convert(net, seed=8)
            y = net(xp.array(x))

        assert (layer, thinned.mxnet.Dropout) == (net[0], type(layer))
        assert "swapped 1, left 0\n  0: Dropout(p = 0.5, axes=())" == str(report)
        assert same(dropped(x, 0.5, seed=8, site="0"), y)

    def test_says_what_it_left(self):
        """Fused layers, cells, and functional calls."""
        blocks = [
            gluon.rnn.LSTM(3, num_layers=2, dropout=0.5), gluon.rnn.LSTM(3, dropout=0.5),
            gluon.rnn.DropoutCell(0.5), ByHand(), nn.Dense(3),
        ]  # fmt: skip
        left = convert(sequence(*blocks)).left

        assert ["0", "2", "3"] == sorted(left)
        assert "calls Dropout" in left["3"]

    @pytest.mark.filterwarnings("ignore:Cannot decide type")  # MXNet says so of every symbol block
    def test_says_what_functions_and_graphs_draw(self):
        """In blocks around a function, around an operator's name, and around a symbol; and `bind` warns of them."""
        x = mx.sym.var("data")
        blocks = [
            nn.HybridLambda(lambda F, x: F.Dropout(x, p=0.5)),  # noqa: N803
            nn.Lambda("Dropout"), nn.HybridLambda("Dropout"),
            gluon.SymbolBlock(mx.sym.Dropout(x, p=0.5), x), gluon.SymbolBlock(mx.sym.relu(x), x), nn.Lambda("tanh"),
            nn.HybridLambda("tanh"), nn.Lambda(lambda x: x + 1), nn.Lambda(mx.npx.dropout),
        ]  # fmt: skip
        net = sequence(*blocks, kind=nn.Sequential)

        assert ["0", "1", "2", "3", "8"] == sorted(convert(net).left)
        with pytest.warns(UserWarning, match="'0', '1', '2', '3', '8': Gluon's own"):
            bind(net, 0)

    @pytest.mark.filterwarnings("ignore:Cannot decide type")  # MXNet says so of every network that it reads
    def test_says_that_an_exported_graph_repeats_itself(self, tmp_path):
        """Its address stands still."""
        net = in_mode(bind(mlp(), 0), "graph")
        net(mx.nd.ones((2, 4)))
        net.export(str(tmp_path / "net"))
        read = gluon.SymbolBlock.imports(
            str(tmp_path / "net-symbol.json"), ["data"], str(tmp_path / "net-0000.params")
        )

        assert "one address" in convert(read).left[""]

    def test_no_block(self):
        """It is refused, with what came."""
        for call in (convert, sites, lambda net: bind(net, 0), thinned.mxnet.unbind):
            with pytest.raises(BindError, match="expected a Gluon block; got 5 of type int"):
                call(5)

    def test_all_or_nothing(self):
        """A wrong rate or seed swaps nothing."""
        for error, rate, seed in ((RateError, 1e-9, 0), (AddressError, 0.5, 2**64)):
            net = sequence(nn.Dropout(0.5), nn.Dropout(rate))
            with pytest.raises(error):
                convert(net, seed=seed)
            assert nn.Dropout is type(net[0])


class TestSites:
    """The table."""

    @pytest.mark.parametrize("mode", ["imperative", "graph"])
    def test_table(self, xp, mode, tmp_path):
        """Names, numbers, rates, shapes and repeated uses; no step is taken, and graphs stay on."""
        net = bind(in_mode(Twice(), mode), 0)
        found = thinned.sites(net, xp.ones((2, 5)))

        assert [("a", 0.5), ("inner.0.0", 0.3), ("a#1", 0.5)] == [(site.name, site.rate) for site in found]
        assert {(2, 5)} == {site.mask_shape for site in found}
        assert 0 == net._thinned.step
        assert (mode == "graph") == net._active

    def test_before_weights_have_shapes(self):
        """Gluon infers them on the way."""
        net = mlp()
        net.initialize()

        assert [(2, 8), (2, 16)] == [site.mask_shape for site in sites(net, mx.nd.ones((2, 4)))]
        assert [None, None] == [site.mask_shape for site in sites(net)]
