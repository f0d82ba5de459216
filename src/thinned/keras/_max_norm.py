"""The max-norm constraint, which leaves what is within the ball alone."""

from typing import Any

import keras

from thinned.methods.max_norm import check_radius


@keras.saving.register_keras_serializable(package="thinned")
class MaxNorm(keras.constraints.MaxNorm):  # type: ignore[misc]
    """Scale down the incoming weights of each unit whose norm is above `max_value`, after each step.

        w_u <- w_u min(1, c / |w_u|),   u a unit

    A constraint, as layers take it: `Dense(64, kernel_constraint=MaxNorm(3.0))`. Units within the ball keep every
    bit, and so do those with a weight that is not finite. Keras' own multiplies each unit by
    |w_u| / (|w_u| + 1e-7): a decay by 1e-7 / |w_u| a step, which small units feel.

    Args:
        max_value: `c`, the largest norm, above 0; the paper takes 1 to 4.
        axis: along which a unit's incoming weights lie: 0 of `Dense`, [0, 1, 2] of `Conv2D`.

    Raises:
        ValueError: a `max_value` that is no such number.

    Example:
        >>> import keras, thinned.keras
        >>> thinned.keras.MaxNorm(1.0)(keras.ops.array([[3.0, 0.5], [4.0, 0.0]])).tolist()
        [[0.6000000238418579, 0.5], [0.800000011920929, 0.0]]

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15, 2014,
        https://jmlr.org/papers/v15/srivastava14a.html, section 5.1.
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        check_radius(max_value)
        super().__init__(max_value, axis)

    def __call__(self, w: Any) -> Any:
        """The nearest weights within the ball."""
        ops = keras.ops
        w = ops.convert_to_tensor(w)
        # The squares of a half type overflow from 256 on.
        exact = keras.backend.result_type(w.dtype, "float32")
        norm = ops.sqrt(ops.sum(ops.square(ops.cast(w, exact)), axis=self.axis, keepdims=True))
        # What was scaled has the norm but for its rounding; scaled again it would never rest.
        above = ops.logical_and(norm > self.max_value * _more(w), ops.isfinite(norm))
        scale = ops.where(
            above, self.max_value / ops.where(above, norm, ops.ones_like(norm)), ops.ones_like(norm)
        )
        return ops.cast(ops.cast(w, exact) * scale, w.dtype)


def _more(w: Any) -> float:
    """A little more than 1, as the numbers of this type go."""
    digits = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
    return 1 + 4 * 2.0 ** (1 - digits.get(keras.backend.standardize_dtype(w.dtype), 24))
