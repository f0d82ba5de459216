"""Keras' seeded layers beside ours, as ratios in one process for each backend; see PROTOCOL.md.

python benchmarks/keras_speed.py [torch] [jax] [tensorflow]

A function is compiled where users of the backend would: jax.jit and tf.function; PyTorch is eager. The generator's
state comes in and goes out, as in Keras' trainer, so that every call has a mask of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

from measure import Call, Row, compare, run

GOAL = 3.0
POWERS = (16, 18, 20, 22, 24)
BACKENDS = ("torch", "jax", "tensorflow")
OTHERS = (
    ("SpatialDropout2D", 0.5, (64, 32, 32, 64)),
    ("AlphaDropout", 0.1, (2048, 2048)),
    ("GaussianDropout", 0.5, (2048, 2048)),
    ("GaussianNoise", 0.1, (2048, 2048)),
)
"""The layers that Keras has, too; no goal is set for them."""


def calls(layer: Any, *shape: int) -> tuple[Call, Call]:
    """A forward call of a layer in training, and one with its gradient."""
    import keras

    x = keras.ops.ones(shape, dtype="float32")
    backend = keras.backend.backend()
    if backend == "jax":
        return _jax(layer, x)
    return _tensorflow(layer, x) if backend == "tensorflow" else _torch(layer, x)


def _torch(layer: Any, x: Any) -> tuple[Call, Call]:
    import torch

    leaf, gradient = x.clone().requires_grad_(), torch.ones_like(x)

    def forward() -> Any:
        with torch.no_grad():
            return layer(x, training=True)

    return forward, lambda: torch.autograd.grad(layer(leaf, training=True), leaf, gradient)


def _jax(layer: Any, x: Any) -> tuple[Call, Call]:
    import jax
    import jax.numpy as jnp

    state = [jnp.copy(variable.value) for variable in layer.non_trainable_variables]
    gradient = jnp.ones_like(x)

    def apply(state: Any, x: Any) -> Any:
        return layer.stateless_call([], state, x, training=True)

    def both(state: Any, x: Any, gradient: Any) -> Any:
        y, back, after = jax.vjp(partial(apply, state), x, has_aux=True)
        return (y, back(gradient)[0]), after

    # Each array is an argument, as in a network: constants are copied at each call of what is not XLA's own.
    def moving(function: Any, *arrays: Any) -> Call:
        compiled, at = jax.jit(function), [state]
        wait: Callable[[Any], Any] = jax.block_until_ready

        def call() -> Any:
            y, at[0] = compiled(at[0], *arrays)
            return wait(y)

        return call

    return moving(apply, x), moving(both, x, gradient)


def _tensorflow(layer: Any, x: Any) -> tuple[Call, Call]:
    import tensorflow as tf

    gradient = tf.ones_like(x)

    @tf.function  # type: ignore[untyped-decorator]
    def forward(x: Any) -> Any:
        return layer(x, training=True)

    @tf.function  # type: ignore[untyped-decorator]
    def both(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return y, tape.gradient(y, x, gradient)  # without y, nothing of the forward pass would be computed

    return partial(forward, x), partial(both, x)


def measured() -> list[Row]:
    """In a process that has one backend."""
    import keras

    import thinned.keras

    rows = []
    for power in POWERS:
        ours = calls(thinned.keras.layers.Dropout(0.5, seed=0), 1 << power)
        peer = calls(keras.layers.Dropout(0.5, seed=0), 1 << power)
        for what, mine, theirs in zip(("forward", "forward + backward"), ours, peer, strict=True):
            case = f"Keras on {keras.backend.backend()}, {what}, float32, 2^{power}"
            rows.append(compare(case, mine, "Keras' seeded layer", theirs, GOAL))
    for name, amount, shape in OTHERS:
        ours = calls(getattr(thinned.keras.layers, name)(amount, seed=0), *shape)
        peer = calls(getattr(keras.layers, name)(amount, seed=0), *shape)
        case = (
            f"Keras on {keras.backend.backend()}, {name}, forward + backward, {' x '.join(map(str, shape))}"
        )
        rows.append(compare(case, ours[1], "Keras' seeded layer", peer[1], 0))
    return rows


def apart(backend: str) -> Iterable[Row]:
    """The rows of a backend, from a process of its own."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, __file__, "--rows"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return [Row(**row) for row in json.loads(done.stdout.splitlines()[-1])]


if __name__ == "__main__":
    if sys.argv[1:] == ["--rows"]:
        print(json.dumps([asdict(row) for row in measured()]))
    else:
        cases = {backend: partial(apart, backend) for backend in BACKENDS}
        run("keras", cases, ["keras", "torch", "jax", "tensorflow-cpu"])
