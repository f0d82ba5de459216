"""TensorFlow: functions in a `tf.function`."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from thinned.lab.frameworks.ledger import Array, Tap
from thinned.lab.frameworks.setting import SITES, Setting
from thinned.lab.frameworks.weights import Weights
from thinned.tensorflow import dropout


class Trainer:
    """See `trainer.Trainer`. The built-in is `tf.nn.dropout`."""

    def __init__(self, setting: Setting, weights: Weights) -> None:
        tf.random.set_seed(setting.seed)
        self.setting = setting
        self.w = {name: tf.Variable(array, dtype=setting.dtype) for name, array in weights.items()}
        self.step = tf.Variable(0, dtype=tf.int64)
        self._descended = tf.function(self._descend)
        self._evaluated = tf.function(lambda x: self._network(x, lambda h, which: h)[0])

    def train(self, x: Array, y: Array) -> tuple[float, Sequence[Tap]]:
        """One call of the traced step, whose number is a variable."""
        loss, taps = self._descended(tf.constant(x), tf.constant(y))
        return float(loss), [(before.numpy(), after.numpy()) for before, after in taps]

    def scores(self, x: Array) -> Array:
        """With dropout off."""
        found: Array = self._evaluated(tf.constant(x)).numpy()
        return found

    def _descend(self, x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            scores, taps = self._network(x, self._dropped)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, scores))
        for name, gradient in tape.gradient(loss, self.w).items():
            self.w[name].assign_sub(self.setting.lr * gradient)
        self.step.assign_add(1)
        return loss, taps

    def _network(self, x: Any, drop: Any) -> Any:
        h1 = rectified(self._linear("lin1", x))
        d1 = drop(h1, 0)
        h2 = rectified(self._linear("lin2", d1))
        d2 = drop(h2, 1)
        return self._linear("lin3", d2), [(h1, d1), (h2, d2)]

    def _linear(self, name: str, x: Any) -> Any:
        return tf.matmul(x, self.w[f"{name}.weight"], transpose_b=True) + self.w[f"{name}.bias"]

    def _dropped(self, h: Any, which: int) -> Any:
        rate, site = self.setting.rates[which], SITES[which]
        if self.setting.drops == "law":
            return dropout(h, rate, seed=self.setting.seed, site=site, step=self.step)
        return tf.nn.dropout(h, rate)


def rectified(z: Any) -> Any:
    """The greater of z and 0; a unit that is off is -0, whose sign tells whether dropout kept it."""
    return tf.where(z > 0, z, tf.constant(-0.0, z.dtype))
