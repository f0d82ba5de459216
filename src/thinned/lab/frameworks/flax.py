"""Flax NNX: layers of a bound model, in `nnx.jit`."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import thinned.flax
from thinned.lab.frameworks.jax import Taps, rectified
from thinned.lab.frameworks.ledger import Array, Tap
from thinned.lab.frameworks.setting import LINEAR, Setting
from thinned.lab.frameworks.weights import Weights


class Network(nnx.Module):
    """The chapter's network; it also returns what went into each dropout and what came out."""

    def __init__(self, setting: Setting, weights: Weights) -> None:
        rngs = nnx.Rngs(setting.seed)
        drop = thinned.flax.Dropout if setting.drops == "law" else nnx.Dropout
        self.lin1, self.lin2, self.lin3 = (_linear(weights, name, setting.dtype, rngs) for name in LINEAR)
        self.drop1, self.drop2 = (drop(rate, rngs=rngs) for rate in setting.rates)

    def __call__(self, x: Any) -> tuple[jax.Array, Taps]:
        """Scores, axes (example, class), and the taps."""
        h1 = rectified(self.lin1(x))
        d1 = self.drop1(h1)
        h2 = rectified(self.lin2(d1))
        d2 = self.drop2(h2)
        return self.lin3(d2), [(h1, d1), (h2, d2)]


class Trainer:
    """See `trainer.Trainer`. The built-in is `nnx.Dropout`."""

    def __init__(self, setting: Setting, weights: Weights) -> None:
        self.lr = setting.lr
        self.net = Network(setting, weights)
        if setting.drops == "law":
            thinned.flax.bind(self.net, seed=setting.seed)

    def train(self, x: Array, y: Array) -> tuple[float, Sequence[Tap]]:
        """One call of the compiled step; the model carries its own."""
        self.net.train()  # type: ignore[no-untyped-call]
        loss, taps = descended(self.net, x, y, self.lr)
        return float(loss), [(np.asarray(before), np.asarray(after)) for before, after in taps]

    def scores(self, x: Array) -> Array:
        """With dropout off."""
        self.net.eval()  # type: ignore[no-untyped-call]
        return np.asarray(evaluated(self.net, x))


@nnx.jit
def descended(net: Network, x: Any, y: Any, lr: float) -> tuple[jax.Array, Taps]:
    """Take one step; the loss before it, and the taps."""

    def loss(net: Network) -> tuple[jax.Array, Taps]:
        scores, taps = net(x)
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], 1).mean(), taps

    (value, taps), gradient = nnx.value_and_grad(loss, has_aux=True)(net)
    weights = nnx.state(net, nnx.Param)
    nnx.update(net, jax.tree.map(lambda each, g: each - (lr * g).astype(g.dtype), weights, gradient))
    return value, taps


@nnx.jit
def evaluated(net: Network, x: Any) -> jax.Array:
    """Scores with dropout off."""
    return net(x)[0]


def _linear(weights: Weights, name: str, dtype: str, rngs: nnx.Rngs) -> nnx.Linear:
    outputs, inputs = weights[f"{name}.weight"].shape
    layer = nnx.Linear(inputs, outputs, param_dtype=jnp.dtype(dtype), rngs=rngs)
    layer.kernel = nnx.Param(jnp.asarray(weights[f"{name}.weight"].T, dtype))
    layer.bias = nnx.Param(jnp.asarray(weights[f"{name}.bias"], dtype))
    return layer
