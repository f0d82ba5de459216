"""NumPy, with the backward pass by hand: what the others are compared with."""

from collections.abc import Sequence

import numpy as np

from thinned.lab.frameworks.ledger import Array, Tap
from thinned.lab.frameworks.setting import LINEAR, SITES, Setting
from thinned.lab.frameworks.weights import Weights
from thinned.numpy import dropout


class Trainer:
    """See `trainer.Trainer`. NumPy has no dropout of its own: the built-in is the textbook's line."""

    def __init__(self, setting: Setting, weights: Weights) -> None:
        self.setting, self.step = setting, 0
        self.w = {name: array.astype(setting.dtype) for name, array in weights.items()}
        self.generator = np.random.default_rng(setting.seed)

    def train(self, x: Array, y: Array) -> tuple[float, Sequence[Tap]]:
        """Forward, backward, and a step down."""
        h1 = rectified(self._linear("lin1", x))
        d1, back1 = self._dropped(h1, 0)
        h2 = rectified(self._linear("lin2", d1))
        d2, back2 = self._dropped(h2, 1)
        scores = self._linear("lin3", d2)
        scores -= scores.max(1, keepdims=True)
        logs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        rows = np.arange(len(y))
        loss = float(-logs[rows, y].mean())
        g = np.exp(logs)
        g[rows, y] -= 1
        g /= len(y)
        g3, g = g, g @ self.w["lin3.weight"]
        g2 = np.where(h2 > 0, self._backward(g, 1, back2), 0)
        g = g2 @ self.w["lin2.weight"]
        g1 = np.where(h1 > 0, self._backward(g, 0, back1), 0)
        for name, grad, into in zip(LINEAR, (g1, g2, g3), (x, d1, d2), strict=True):
            self.w[f"{name}.weight"] -= self.setting.lr * (grad.T @ into)
            self.w[f"{name}.bias"] -= self.setting.lr * grad.sum(0)
        self.step += 1
        return loss, [(h1, d1), (h2, d2)]

    def scores(self, x: Array) -> Array:
        """With dropout off."""
        h = rectified(self._linear("lin1", x))
        return self._linear("lin3", rectified(self._linear("lin2", h)))

    def _linear(self, name: str, x: Array) -> Array:
        found: Array = x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]
        return found

    def _dropped(self, h: Array, which: int) -> tuple[Array, Array | None]:
        """What comes out, and what the built-in must keep for the backward pass; the law keeps nothing."""
        rate = self.setting.rates[which]
        if self.setting.drops == "law":
            return self._thin(h, which), None
        kept = (self.generator.random(h.shape) >= rate) / h.dtype.type(1 - rate)
        return h * kept, kept.astype(h.dtype)

    def _backward(self, g: Array, which: int, kept: Array | None) -> Array:
        return self._thin(g, which) if kept is None else g * kept

    def _thin(self, x: Array, which: int) -> Array:
        return dropout(
            x, self.setting.rates[which], seed=self.setting.seed, site=SITES[which], step=self.step
        )


def rectified(z: Array) -> Array:
    """The greater of z and 0; a unit that is off is -0, whose sign tells whether dropout kept it."""
    return np.where(z > 0, z, z.dtype.type(-0.0))
