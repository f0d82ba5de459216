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


def laws() -> Iterator[Row]:
    """The other laws against the obvious expression with `jax.random`, whose key is folded with the step."""
    x, step = jnp.ones(1 << 22), jnp.uint32(3)
    key = jax.random.key(0)

    def bernoulli(step: Array) -> Array:
        return jax.random.bernoulli(jax.random.fold_in(key, step), 0.7, x.shape)

    def normal(step: Array) -> Array:
        return jax.random.normal(jax.random.fold_in(key, step), x.shape)

    def between(step: Array) -> Array:
        return jax.random.uniform(jax.random.fold_in(key, step), x.shape, minval=-1)

    cases: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
        "alpha dropout": (
            thinned.jax.alpha_dropout,
            lambda x, step: jnp.where(bernoulli(step), x, -1.7581) * 0.9 + 0.4,
        ),
        "Gaussian dropout": (
            thinned.jax.gaussian_dropout,
            lambda x, step: x * (1 + 0.65 * normal(step)),
        ),
        "uniform dropout": (
            thinned.jax.uniform_dropout,
            lambda x, step: x * (1 + 1.1 * between(step)),
        ),
        "Gaussian noise": (thinned.jax.gaussian_noise, lambda x, step: x + 0.3 * normal(step)),
    }
    for name, (ours_of, theirs) in cases.items():

        @jax.jit
        def mine(x: Array, step: Array, law: Any = ours_of) -> Any:
            return law(x, 0.3, seed=0, site="drop", step=step)

        peer = jax.jit(theirs)
        yield compare(f"{name}, forward, 2^22", ready(mine, x, step), "jax.random", ready(peer, x, step), 5)


def drop_block() -> Iterator[Row]:
    """Against the usual one: seeds in the middle of blocks, one scale for the batch."""
    x, step, key = jnp.ones((64, 32, 32, 64)), jnp.uint32(3), jax.random.key(0)

    @jax.jit
    def mine(x: Array, step: Array) -> Any:
        return thinned.jax.drop_block(x, 0.1, 7, seed=0, step=step)

    @jax.jit
    def theirs(x: Array, step: Array) -> Any:
        seeds = jax.random.bernoulli(jax.random.fold_in(key, step), 0.1 / 49, x.shape).astype(x.dtype)
        kept = 1 - jax.lax.reduce_window(seeds, 0.0, jax.lax.max, (1, 7, 7, 1), (1, 1, 1, 1), "SAME")
        return x * kept * (kept.size / kept.sum())

    yield compare("DropBlock, block 7, 2^22", ready(mine, x, step), "jax.random", ready(theirs, x, step), 3)


if __name__ == "__main__":
    CASES = {"float32": float32, "bfloat16": bfloat16, "laws": laws, "drop_block": drop_block}
    run("jax", CASES, ["jax", "jaxlib", "flax"])
