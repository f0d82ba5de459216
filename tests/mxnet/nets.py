"""Small networks that tests bind and hybridise in every way."""

import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon import nn

from thinned.mxnet import Dropout

MODES = {
    "imperative": None,
    "graph": {},
    "static memory": {"static_alloc": True},
    "static shapes": {"static_alloc": True, "static_shape": True},
}
"""Names of the ways to run a network: as it is, or hybridised with these arguments."""


def in_mode(net, mode):
    """The network, initialised and hybridised as the mode says."""
    net.initialize(mx.init.One())
    if MODES[mode] is not None:
        net.hybridize(**MODES[mode])
    return net


def sequence(*blocks, kind=nn.HybridSequential):
    """Blocks in a row."""
    net = kind()
    net.add(*blocks)
    return net


def mlp(drop=Dropout):
    """Two layers, each followed by dropout; sites 1 and 3."""
    return sequence(nn.Dense(8), drop(0.5), nn.Dense(16), drop(0.2))


class Twice(gluon.HybridBlock):
    """One layer of dropout, used twice, and a deeper one."""

    def __init__(self, **keywords):
        super().__init__()
        self.a = Dropout(0.5, **keywords)
        self.inner = sequence(sequence(Dropout(0.3)))

    def hybrid_forward(self, F, x):  # noqa: N803
        """Three draws."""
        return self.a(x), self.inner(x), self.a(x)


class Loop(gluon.HybridBlock):
    """One layer of dropout in the body of MXNet's `foreach`."""

    def __init__(self):
        super().__init__()
        self.drop = Dropout(0.5)

    def hybrid_forward(self, F, x):  # noqa: N803
        """Row by row."""
        return F.contrib.foreach(lambda row, state: (self.drop(row), state), x, [F.zeros((1,))])[0]


class Peeker(gluon.Block):
    """A block that predicts with its part, and then calls it."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        """The second output."""
        with autograd.pause():
            self.part(x)
        return self.part(x)


class Caller(gluon.Block):
    """A block that is not hybrid, and calls a hybrid part of itself as often as it is told."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x, count):
        """A list of outputs."""
        return [self.part(x) for _ in range(count)]
