"""Keras on TensorFlow: addresses as tensors, so that no step traces anything anew."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import thinned.tensorflow
from thinned.errors import BindError
from thinned.mask.rate import LEVELS
from thinned.methods.schedule import Schedule

DTYPE = "int64"
"""Of the words (seed low, seed high, step) that a bound model keeps."""

LOOPS = (tf.compat.v1.while_loop, tf.vectorized_map)
"""Through which all of TensorFlow's loops go."""

_WORD = 0xFFFFFFFF

_MATHEMATICS = SimpleNamespace(
    arange=tf.range, clip=tf.clip_by_value, cos=tf.cos, round=tf.round, where=tf.where
)
"""What NumPy, PyTorch and JAX call so."""


def read(words: Any) -> tuple[Any, Any]:
    """The seed and the step, in a form that later changes of the words leave alone."""
    low, high, step = tf.unstack(tf.identity(words))
    return _joined(low, high), step


def plain(words: Any) -> Any:
    """The words as numbers."""
    return np.asarray(words)


def grown(words: Any) -> Any:
    """The words after one more training call."""
    return tf.identity(words) + tf.constant([0, 0, 1], tf.int64)


def seed(pair: Any) -> Any:
    """A seed from what `SeedGenerator.next` gives."""
    low, high = tf.unstack(tf.cast(pair, tf.int64))
    return _joined(low & _WORD, high)


def run(function: str, x: Any, *arguments: Any, **address: Any) -> Any:
    """A function of `thinned.tensorflow`."""
    return getattr(thinned.tensorflow, function)(x, *arguments, **address)


def fewer(x: Any, rate: float, prefix: int, ordered: bool, rows: Any, **address: Any) -> Any:
    """The tokens of each sample that stay."""
    place = {"num_prefix_tokens": prefix, "ordered": ordered, "rows": rows}
    return thinned.tensorflow.patch_dropout(x, rate, **place, **address)[0]


def ids(x: Any) -> Any:
    """Global indices of rows, one axis, as a window takes them."""
    return tf.reshape(x, [-1])


def keep(x: Any, rate: Any, shape: Any = None, **address: Any) -> Any:
    """`thinned.tensorflow.keep` for an array, or for another shape."""
    return thinned.tensorflow.keep(keras.ops.shape(x) if shape is None else shape, rate, **address)


def uniform(x: Any, share: Any, window: Any, **address: Any) -> Any:
    """`thinned.tensorflow.uniform` for an array."""
    return thinned.tensorflow.uniform(keras.ops.shape(x), share=share, window=window, **address)


def conditional(
    kept: Any, run: Callable[[], Any], skip: Callable[[], Any], layers: Sequence[Any], inputs: Any
) -> Any:
    """`run()` where a layer is kept, else `skip()`."""
    if not tf.executing_eagerly():
        return tf.cond(kept, run, skip)
    if bool(kept):
        return run()
    # So that what did not run has gradients of zero, as in a graph: a tape gives none of what it has not seen.
    weights = [tf.convert_to_tensor(weight) for layer in layers for weight in layer.trainable_variables]
    return _untouched(skip(), *weights)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _untouched(y: Any, *weights: Any) -> Any:
    """`y`, with gradients of zero for weights that it does not depend on."""
    return tf.identity(y), lambda upstream: (upstream, *(tf.zeros_like(weight) for weight in weights))


def rate_at(schedule: Schedule, step: Any) -> Any:
    """What a schedule is at a step."""
    return tf.round(schedule.at(tf.cast(step & _WORD, tf.float64), _MATHEMATICS) * LEVELS) / LEVELS


def counting(rows: Any) -> Any:
    """The module whose `arange` counts so many rows."""
    return _MATHEMATICS if tf.is_tensor(rows) else np


def check_alone() -> None:
    """Refuse replicas whose rows nobody named."""
    count = tf.distribute.get_strategy().num_replicas_in_sync
    if count > 1:
        raise BindError(
            f"expected one replica, or bind(model, seed, batch=(axis, global_size, start)) in each; got {count} "
            "replicas of a tf.distribute strategy, so samples would share masks."
        )


def _joined(low: Any, high: Any) -> Any:
    return low | tf.bitwise.left_shift(high, tf.constant(32, tf.int64))


def has_frames() -> bool:
    """Always: TensorFlow traces by running."""
    return True


def track(model: Any, name: str, state: Any) -> None:
    """Put a variable among what `tf.train.Checkpoint` saves of a model."""
    model._track_trackable(state.value, name=name, overwrite=True)


def untrack(model: Any, name: str, state: Any) -> None:
    """Take it out."""
    model._delete_tracking(name)
