"""What each framework's file gives: a network that can be trained for one step, and asked."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from thinned.lab.frameworks.ledger import Array, Tap
from thinned.lab.frameworks.setting import Setting
from thinned.lab.frameworks.weights import Weights


class Trainer(Protocol):
    """One network in one framework.

    Args:
        setting: how it is trained.
        weights: what it begins with.
    """

    def __init__(self, setting: Setting, weights: Weights) -> None: ...

    def train(self, x: Array, y: Array) -> tuple[float, Sequence[Tap]]:
        """One step of gradient descent on the mean cross-entropy; its loss, and what each dropout saw and gave.

        Args:
            x: axes (example, feature), in the setting's dtype.
            y: int64, axes (example,).
        """

    def scores(self, x: Array) -> Array:
        """Scores with dropout off, axes (example, class)."""


def tested(scores: Any, y: Array) -> tuple[float, float]:
    """Mean cross-entropy in nats and accuracy, computed in float64 in the same way for all.

    Example:
        >>> tested([[0.0, 0.0], [0.0, 0.0]], np.array([0, 1]))
        (0.6931471805599453, 0.5)
    """
    exact = np.asarray(scores, np.float64)
    shifted = exact - exact.max(1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return float(-logs[np.arange(len(y)), y].mean()), float((exact.argmax(1) == y).mean())
