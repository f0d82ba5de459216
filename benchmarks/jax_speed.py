"""JAX: the law against `flax.nnx.Dropout` with JAX's default generator, both compiled; see PROTOCOL.md."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from measure import Row, compare, run

import thinned.jax

RATE = 0.5
PEER = "nnx.Dropout"


@jax.jit
def ours(x: Array, step: Array) -> Array:
    """The step is data, as in a training loop."""
    return thinned.jax.dropout(x, RATE, seed=0, site="drop", step=step)


@jax.jit
def ours_both(x: Array, gradient: Array, step: Array) -> Any:
    y, pull = jax.vjp(lambda x: thinned.jax.dropout(x, RATE, seed=0, site="drop", step=step), x)
    return y, pull(gradient)[0]


def peers() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Forward, and forward with backward; the layer's keys are renewed inside, its graph is handled once."""
    layer = nnx.Dropout(RATE, rngs=nnx.Rngs(0))

    @nnx.jit
    def forward(layer: Any, x: Array) -> Any:
        return layer(x)

    @nnx.jit
    def both(layer: Any, x: Array, gradient: Array) -> Any:
        key = layer.rngs()
        y, pull = jax.vjp(lambda x: layer(x, rngs=key), x)
        return y, pull(gradient)[0]

    return nnx.cached_partial(forward, layer), nnx.cached_partial(both, layer)


def ready(call: Callable[..., Any], *arguments: Any) -> Callable[[], object]:
    """A call that returns when its result is there."""
    wait: Callable[[Any], object] = jax.block_until_ready
    return lambda: wait(call(*arguments))


def float32() -> Iterator[Row]:
    forward, both = peers()
    step = jnp.uint32(3)
    for power in (16, 18, 20, 22, 24):
        x = jnp.ones(1 << power)
        mine, theirs = ready(ours, x, step), ready(forward, x)
        yield compare(f"forward, float32, 2^{power}", mine, PEER, theirs, 5)
        mine, theirs = ready(ours_both, x, x, step), ready(both, x, x)
        yield compare(f"forward + backward, float32, 2^{power}", mine, PEER, theirs, 5)


def bfloat16() -> Iterator[Row]:
    forward, _ = peers()
    half, step = jnp.ones(1 << 20, jnp.bfloat16), jnp.uint32(3)
    yield compare("forward, bfloat16, 2^20", ready(ours, half, step), PEER, ready(forward, half), 5)


if __name__ == "__main__":
    run("jax", {"float32": float32, "bfloat16": bfloat16}, ["jax", "jaxlib", "flax"])
