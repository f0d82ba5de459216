"""`convert` and the table of sites."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from mxnet.gluon import nn

import thinned.mxnet
from tests.mxnet.nets import Twice, in_mode, mlp, sequence
from tests.mxnet.truth import dropped, same
from thinned.errors import AddressError, RateError
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
