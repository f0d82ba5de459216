"""TensorFlow as the checks see it."""

from typing import Any

import numpy as np
import tensorflow as tf

from thinned.conformance.outcome import NotApplicableError
from thinned.conformance.runtime import Form, Function, Runtime


class TensorFlow(Runtime):
    """Eager, on its default device."""

    name = "TensorFlow"
    dtypes = ("float32", "float64", "float16", "bfloat16")
    own_generator = "tensorflow"
    repeats_draws = False

    @property
    def version(self) -> str:
        """Of TensorFlow."""
        return str(tf.__version__)

    def array(self, x: Any, dtype: str = "float32") -> Any:
        """A tensor."""
        return tf.cast(tf.constant(np.asarray(x)), dtype)

    def numpy(self, y: Any) -> Any:
        """Values alone."""
        y = tf.convert_to_tensor(y)
        return (y if y.dtype in {tf.float32, tf.float64} else tf.cast(y, tf.float32)).numpy()

    def form(self, y: Any) -> Form:
        """Of a tensor."""
        return Form(tuple(y.shape), y.dtype.name, y.device)

    def strided(self, x: Any) -> Any:
        """None: its tensors are dense."""
        raise NotApplicableError("tensors of TensorFlow have no strides")

    def vjp(self, f: Function, x: Any, g: Any) -> tuple[Any, Any]:
        """By a tape."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        return y, _there(tape.gradient(y, x, g))

    def second(self, f: Function, x: Any, v: Any) -> tuple[Any, Any]:
        """By two tapes."""
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = f(x)
                total = tf.reduce_sum(y**3)
            dx = _there(inner.gradient(total, x))
        return y, _there(outer.gradient(dx, x, v))

    def checkpointed(self, f: Function) -> Function:
        """By `tf.recompute_grad`."""
        saved: Function = tf.recompute_grad(f)
        return saved

    def compiled(self, raw: Function, backend: str) -> Function:
        """By `tf.function`; the token is a tensor."""
        program = tf.function(raw)
        return lambda x, *token: program(x, *[tf.constant(part, tf.int64) for part in token])

    def vmapped(self, raw: Function, xs: Any, tokens: list[tuple[Any, ...]]) -> Any:
        """Not looked at: `tf.vectorized_map` says of itself what it does with draws."""
        raise NotApplicableError("TensorFlow's vectorized_map is not looked at")

    def seed(self, n: int) -> None:
        """TensorFlow's, NumPy's and Python's."""
        super().seed(n)
        tf.random.set_seed(n)


def _there(gradient: Any) -> Any:
    if gradient is None:
        raise NotApplicableError("its output has no gradient: it was made outside of the tape")
    return gradient
