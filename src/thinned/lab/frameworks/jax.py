"""JAX: functions, compiled."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from thinned.jax import dropout
from thinned.lab.frameworks.ledger import Array, Tap
from thinned.lab.frameworks.setting import SITES, Setting
from thinned.lab.frameworks.weights import Weights

Parameters = dict[str, jax.Array]
Taps = list[tuple[jax.Array, jax.Array]]


class Trainer:
    """See `trainer.Trainer`. JAX has no dropout of its own: the built-in is `jax.random.bernoulli`."""

    def __init__(self, setting: Setting, weights: Weights) -> None:
        self.setting, self.step = setting, 0
        self.w = {name: jnp.asarray(array, setting.dtype) for name, array in weights.items()}

    def train(self, x: Array, y: Array) -> tuple[float, Sequence[Tap]]:
        """One call of the compiled step, whose number is data."""
        self.w, loss, taps = descended(self.w, x, y, np.uint32(self.step), setting=self.setting)
        self.step += 1
        return float(loss), [(np.asarray(before), np.asarray(after)) for before, after in taps]

    def scores(self, x: Array) -> Array:
        """With dropout off."""
        return np.asarray(evaluated(self.w, x))


@partial(jax.jit, static_argnames="setting")
def descended(
    w: Parameters, x: Any, y: Any, step: Any, *, setting: Setting
) -> tuple[Parameters, jax.Array, Taps]:
    """The weights after one step, the loss before it, and the taps."""

    def loss(w: Parameters) -> tuple[jax.Array, Taps]:
        scores, taps = network(w, x, partial(dropped, setting, step))
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], 1).mean(), taps

    (value, taps), gradient = jax.value_and_grad(loss, has_aux=True)(w)
    return jax.tree.map(lambda each, g: each - setting.lr * g, w, gradient), value, taps


@jax.jit
def evaluated(w: Parameters, x: Any) -> jax.Array:
    """Scores with dropout off."""
    return network(w, x, lambda h, which: h)[0]


def network(w: Parameters, x: Any, drop: Any) -> tuple[jax.Array, Taps]:
    """Scores, and what went into each dropout and came out."""
    h1 = rectified(x @ w["lin1.weight"].T + w["lin1.bias"])
    d1 = drop(h1, 0)
    h2 = rectified(d1 @ w["lin2.weight"].T + w["lin2.bias"])
    d2 = drop(h2, 1)
    return d2 @ w["lin3.weight"].T + w["lin3.bias"], [(h1, d1), (h2, d2)]


def dropped(setting: Setting, step: Any, h: jax.Array, which: int) -> jax.Array:
    """By the law at this step's address, or from JAX's own generator."""
    rate, site = setting.rates[which], SITES[which]
    if setting.drops == "law":
        return dropout(h, rate, seed=setting.seed, site=site, step=step)
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(setting.seed), step), which)
    return jnp.where(jax.random.bernoulli(key, 1 - rate, h.shape), h / (1 - rate), 0)


def rectified(z: jax.Array) -> jax.Array:
    """The greater of z and 0; a unit that is off is -0, whose sign tells whether dropout kept it."""
    return jnp.where(z > 0, z, -0.0)
