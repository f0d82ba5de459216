"""The block: Gluon's own, with the law's masks."""

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd
from mxnet.gluon import nn

from tests.bounds import stray_of_share
from tests.mxnet.nets import in_mode, sequence
from thinned.errors import AddressError, RateError
from thinned.mxnet import Dropout

MODES = ["imperative", "graph", "static memory"]


def drawn(layer, x, seed):
    """Outputs of two training calls after MXNet's generator was seeded."""
    mx.random.seed(seed)
    with autograd.train_mode():
        return [layer(x).asnumpy() for _ in range(2)]


class TestDropIn:
    """As Gluon's."""

    def test_is_gluons(self):
        """A subclass, with its words."""
        layer = Dropout(0.25, axes=(1,))

        assert isinstance(layer, nn.Dropout)
        assert "Dropout(p = 0.25, axes=(1,))" == repr(layer)
        assert "Dropout(p = 0.5, axes=(), site='a')" == repr(Dropout(0.5, site="a"))

    @pytest.mark.parametrize("mode", MODES)
    def test_predicts_without_dropping(self, xp, mode):
        """Outside training, and at rate 0, nothing happens, and the output is not the input."""
        net, idle = in_mode(sequence(Dropout(0.5)), mode), in_mode(sequence(Dropout(0)), mode)
        x = xp.ones((3, 4))
        outputs = [net(x)]
        with autograd.record(train_mode=False):
            outputs.append(net(x))
        with autograd.record():
            outputs.append(idle(x))

        for y in outputs:
            assert y is not x
            assert type(y) is type(x)
            assert (y.asnumpy() == 1).all()

    @pytest.mark.parametrize("mode", MODES)
    def test_gradient_of_a_prediction(self, xp, mode):
        """Recorded outside training, it is the incoming gradient."""
        net, x = in_mode(sequence(Dropout(0.5)), mode), xp.ones((3, 4))
        x.attach_grad()
        with autograd.record(train_mode=False):
            y = net(x)
        y.backward()

        assert (x.grad.asnumpy() == 1).all()

    @pytest.mark.parametrize("mode", MODES)
    def test_generator_governs(self, xp, mode):
        """The same seed gives the same masks, another seed others, and each call its own."""
        net, x = in_mode(sequence(Dropout(0.5)), mode), xp.ones(200)
        first, again, other = (drawn(net, x, seed) for seed in (1, 1, 2))

        assert np.array_equal(first, again)
        assert not np.array_equal(first[0], first[1])
        assert not np.array_equal(first, other)

    def test_prediction_leaves_the_generator(self):
        """What is drawn next does not depend on it."""
        layer, x = Dropout(0.5), mx.nd.ones(200)
        first = drawn(layer, x, 1)
        mx.random.seed(1)
        layer(x)
        with autograd.train_mode():
            assert np.array_equal(first[0], layer(x).asnumpy())

    @pytest.mark.parametrize("mode", MODES)
    def test_share_dropped(self, xp, mode):
        """It drops as often as it says."""
        net, n = in_mode(sequence(Dropout(0.3)), mode), 1 << 16
        mx.random.seed(0)
        with autograd.train_mode():
            share = float((net(xp.ones(n)).asnumpy() == 0).mean())

        assert abs(share - 0.3) < stray_of_share(n, 0.3) + 2**-17

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("axes", [(2, 3), (-1, -2), (0,)])
    def test_axes(self, xp, mode, axes):
        """One draw along each of them."""
        net = in_mode(sequence(Dropout(0.5, axes=axes)), mode)
        with autograd.train_mode():
            y = net(xp.ones((4, 5, 3, 2))).asnumpy()

        assert (y.max(axis=axes) == y.min(axis=axes)).all()
        assert {0.0, 2.0} == set(y.ravel().tolist())

    def test_rate_may_be_set_later(self):
        """As Gluon's `_rate`."""
        layer = Dropout(0.5)
        layer._rate = 1
        with autograd.train_mode():
            assert not layer(mx.nd.ones(9)).asnumpy().any()

    def test_no_rate(self):
        """A rate that no threshold stands for is refused at once."""
        for rate in (-0.1, 1.1, float("nan"), 1e-9):
            with pytest.raises(RateError):
                Dropout(rate)

    def test_no_site(self):
        """A site is a name."""
        with pytest.raises(AddressError, match="site as a name; got 3"):
            Dropout(0.5, site=3)
