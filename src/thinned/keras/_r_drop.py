"""R-Drop's loss of two predictions, in Keras' operations."""

from collections.abc import Callable
from typing import Any

import keras

from thinned.methods.r_drop import check_alpha


def r_drop_loss(
    first: Any,
    second: Any,
    targets: Any,
    alpha: float = 1.0,
    *,
    loss: Callable[[Any, Any], Any] | None = None,
    ignore_index: int = -100,
) -> Any:
    """The loss of two predictions of one batch: that of each, and their symmetric divergence.

        L = loss(y, P1) + loss(y, P2) + alpha mean D,   D = 1/2 KL(P1 || P2) + 1/2 KL(P2 || P1)

    Two predictions are two training calls of a model; a bound one draws anew in each, at steps of its own. The mean
    is over all axes but that of classes. Use it in a `train_step` or `compute_loss` of your own.

    Args:
        first: logits, axes (*batch, class).
        second: logits like them, of another draw.
        targets: class indices, axes (*batch), or probabilities like the logits.
        alpha: weight of the divergence, 0 or more.
        loss: of targets and logits, as Keras calls it, a mean over the batch; cross-entropy, by default.
        ignore_index: positions with this target count neither in the default loss nor in the divergence.

    Raises:
        ValueError: an `alpha` that is no such number, or two shapes of logits.

    Example:
        >>> import keras, thinned.keras
        >>> first, second = keras.ops.log1p(keras.ops.array([[0.0, 3.0]])), keras.ops.zeros((1, 2))
        >>> round(float(thinned.keras.r_drop_loss(first, second, keras.ops.array([1]), alpha=2.0)), 4)
        1.3322

    References:
        Liang et al., "R-Drop: Regularized Dropout for Neural Networks", 2021, https://arxiv.org/abs/2106.14448,
        equation 4.
    """
    check_alpha(alpha)
    ops = keras.ops
    if tuple(first.shape) != tuple(second.shape) or not first.shape:
        raise ValueError(
            f"expected two tensors of logits of one shape, axes (*batch, class); got {tuple(first.shape)} and "
            f"{tuple(second.shape)}."
        )
    targets = ops.convert_to_tensor(targets)
    one, two = ops.log_softmax(first), ops.log_softmax(second)
    excluded = ops.logical_and(ops.isinf(first), ops.isinf(second))
    one, two = (ops.where(excluded, ops.zeros_like(log), log) for log in (one, two))
    apart = 0.5 * ops.sum((ops.exp(one) - ops.exp(two)) * (one - two), -1)
    is_soft = "float" in keras.backend.standardize_dtype(targets.dtype)
    counts = ops.ones_like(apart) if is_soft else ops.cast(ops.not_equal(targets, ignore_index), apart.dtype)

    def mean(values: Any) -> Any:
        return ops.sum(values * counts) / ops.maximum(ops.sum(counts), 1)

    def entropy(targets: Any, logits: Any) -> Any:
        if is_soft:
            return mean(keras.losses.categorical_crossentropy(targets, logits, from_logits=True))
        known = ops.where(ops.cast(counts, "bool"), targets, ops.zeros_like(targets))
        return mean(keras.losses.sparse_categorical_crossentropy(known, logits, from_logits=True))

    chosen = loss or entropy
    return chosen(targets, first) + chosen(targets, second) + alpha * mean(apart)
