"""TensorFlow's dropout beside ours, as ratios in one process; see PROTOCOL.md."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import tensorflow as tf
from measure import Row, compare, run

import thinned.tensorflow

GOAL = 2.0
POWERS = (16, 20, 24)


def ours(x: Any, step: Any) -> Any:
    return thinned.tensorflow.dropout(x, 0.5, seed=0, step=step)


def theirs(x: Any, step: Any) -> Any:
    return tf.nn.dropout(x, 0.5)


def forward_backward(layer: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, step: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, step)
        return tape.gradient(y, x, x)

    return run


def rows(kind: str, wrap: Callable[..., Any], goal: float) -> Iterator[Row]:
    """The step is a tensor in each call, so nothing is folded into a constant."""
    step = tf.constant(3, tf.int64)
    for name, each in (("forward", lambda layer: layer), ("forward + backward", forward_backward)):
        for power in POWERS:
            x = tf.random.normal([1 << power])
            mine, peer = wrap(each(ours)), wrap(each(theirs))
            yield compare(
                f"{kind}, {name}, float32, 2^{power}",
                lambda mine=mine, x=x: mine(x, step),  # type: ignore[misc]
                "tf.nn.dropout",
                lambda peer=peer, x=x: peer(x, step),  # type: ignore[misc]
                goal,
            )


CASES = {
    "eager": partial(rows, "eager", lambda function: function, 0),
    "graph": partial(rows, "tf.function", tf.function, GOAL),
    "xla": partial(rows, "XLA", partial(tf.function, jit_compile=True), GOAL),
}

if __name__ == "__main__":
    run("tensorflow", CASES, ["tensorflow-cpu"])
