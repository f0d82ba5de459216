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
        return y, tape.gradient(y, x, x)  # without y, a graph would compute nothing of the forward pass

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


def laws(kind: str, wrap: Callable[..., Any]) -> Iterator[Row]:
    """The other laws against the obvious expression of each, forward, at 2^22."""
    step, x, maps = tf.constant(3, tf.int64), tf.random.normal([1 << 22]), tf.random.normal([64, 32, 32, 64])
    at = {"seed": 0, "step": step}
    pairs: dict[str, tuple[Any, Callable[..., Any], Callable[..., Any], str]] = {
        "alpha_dropout": (x, lambda x, law: law(x, 0.5, **at), _alpha, "tf.where(uniform < keep, ...)"),
        "uniform_dropout": (x, lambda x, law: law(x, 0.25, **at), _uniform, "x * tf.random.uniform"),
        "gaussian_dropout": (x, lambda x, law: law(x, 0.5, **at), _gaussian, "x * tf.random.normal"),
        "gaussian_noise": (x, lambda x, law: law(x, 0.5, **at), _noise, "x + tf.random.normal"),
        "drop_block": (maps, lambda x, law: law(x, 0.1, 7, **at), _blocks, "uniform < gamma, max_pool2d"),
    }
    for name, (inputs, call, peer, words) in pairs.items():
        mine, theirs = wrap(partial(call, law=getattr(thinned.tensorflow, name))), wrap(peer)
        yield compare(
            f"{kind}, {name}, forward, 2^22",
            lambda mine=mine, x=inputs: mine(x),  # type: ignore[misc]
            words,
            lambda theirs=theirs, x=inputs: theirs(x),  # type: ignore[misc]
            0,
        )


def _alpha(x: Any) -> Any:
    return 0.8864 * tf.where(tf.random.uniform(tf.shape(x)) >= 0.5, x, -1.7581) + 0.7792


def _uniform(x: Any) -> Any:
    return x * tf.random.uniform(tf.shape(x), 0.0, 2.0)


def _gaussian(x: Any) -> Any:
    return x * tf.random.normal(tf.shape(x), 1.0, 1.0)


def _noise(x: Any) -> Any:
    return x + tf.random.normal(tf.shape(x), 0.0, 0.5)


def _blocks(x: Any) -> Any:
    """As implementations do: one scale of the batch, blocks that grow around their centres."""
    seeds = tf.cast(tf.random.uniform(tf.shape(x)) < 0.1 / 49, tf.float32)
    kept = 1 - tf.nn.max_pool2d(seeds, 7, 1, "SAME")
    return x * kept * (tf.cast(tf.size(kept), tf.float32) / tf.reduce_sum(kept))


CASES = {
    "eager": partial(rows, "eager", lambda function: function, 0),
    "graph": partial(rows, "tf.function", tf.function, GOAL),
    "xla": partial(rows, "XLA", partial(tf.function, jit_compile=True), GOAL),
    "laws eager": partial(laws, "eager", lambda function: function),
    "laws graph": partial(laws, "tf.function", tf.function),
    "laws xla": partial(laws, "XLA", partial(tf.function, jit_compile=True)),
}

if __name__ == "__main__":
    run("tensorflow", CASES, ["tensorflow-cpu"])
