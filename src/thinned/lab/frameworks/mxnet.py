"""MXNet: blocks of a bound Gluon network, hybridised."""

from collections.abc import Sequence
from typing import Any

import mxnet as mx
from mxnet import autograd, gluon

import thinned.mxnet
from thinned.lab.frameworks.ledger import Array, Tap
from thinned.lab.frameworks.setting import LINEAR, Setting
from thinned.lab.frameworks.weights import Weights


class Network(gluon.HybridBlock):  # type: ignore[misc]
    """The chapter's network; it also returns what went into each dropout and what came out."""

    def __init__(self, setting: Setting, weights: Weights) -> None:
        super().__init__()
        drop = thinned.mxnet.Dropout if setting.drops == "law" else gluon.nn.Dropout
        shapes = [weights[f"{name}.weight"].shape for name in LINEAR]
        with self.name_scope():
            self.lin1, self.lin2, self.lin3 = (
                gluon.nn.Dense(outputs, in_units=inputs, dtype=setting.dtype) for outputs, inputs in shapes
            )
            self.drop1, self.drop2 = (drop(rate) for rate in setting.rates)

    def hybrid_forward(self, F: Any, x: Any) -> Any:  # noqa: N803 - Gluon's own name for it
        """Scores, axes (example, class), and the taps."""
        h1 = rectified(F, self.lin1(x))
        d1 = self.drop1(h1)
        h2 = rectified(F, self.lin2(d1))
        d2 = self.drop2(h2)
        return self.lin3(d2), h1, d1, h2, d2


class Trainer:
    """See `trainer.Trainer`. The built-in is `gluon.nn.Dropout`."""

    def __init__(self, setting: Setting, weights: Weights) -> None:
        mx.random.seed(setting.seed)
        self.dtype, self.batch = setting.dtype, setting.batch
        self.net = Network(setting, weights)
        self.net.initialize()
        for name in LINEAR:
            layer = getattr(self.net, name)
            for parameter in (layer.weight, layer.bias):
                part = "weight" if parameter is layer.weight else "bias"
                parameter.set_data(mx.nd.array(weights[f"{name}.{part}"], dtype=setting.dtype))
        if setting.drops == "law":
            thinned.mxnet.bind(self.net, seed=setting.seed)
        self.net.hybridize()
        self.loss = gluon.loss.SoftmaxCrossEntropyLoss()
        # The address of a bound network is among its parameters and has no gradient; Gluon's trainer leaves it.
        self.sgd = gluon.Trainer(self.net.collect_params(), "sgd", {"learning_rate": setting.lr})

    def train(self, x: Array, y: Array) -> tuple[float, Sequence[Tap]]:
        """Forward, backward, and a step down."""
        with autograd.record():
            scores, h1, d1, h2, d2 = self.net(mx.nd.array(x, dtype=self.dtype))
            loss = self.loss(scores, mx.nd.array(y, dtype=self.dtype))
        loss.backward()
        self.sgd.step(self.batch)
        return float(loss.mean().asscalar()), [
            (before.asnumpy(), after.asnumpy()) for before, after in ((h1, d1), (h2, d2))
        ]

    def scores(self, x: Array) -> Array:
        """With dropout off."""
        found: Array = self.net(mx.nd.array(x, dtype=self.dtype))[0].asnumpy()
        return found


def rectified(F: Any, z: Any) -> Any:  # noqa: N803 - Gluon's own name for it
    """The greater of z and 0; a unit that is off is -0, whose sign tells whether dropout kept it."""
    return F.where(z > 0, z, -F.zeros_like(z))
