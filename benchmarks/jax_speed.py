"""JAX: the law against `flax.nnx.Dropout` with JAX's default generator, both compiled; see PROTOCOL.md."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from measure import Row, compare, medians, run

import thinned.flax
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


def layers() -> Iterator[Row]:
    """Layers of Flax that are more than a law, against the obvious expression of each with `jax.random`."""
    step, key = jnp.uint32(3), jax.random.key(0)

    def pair(
        case: str,
        x: Array,
        mine: Callable[[Array, Array], Any],
        peer: str,
        theirs: Callable[[Array, Any], Any],
        goal: float,
    ) -> Row:
        # `x` is an argument: a constant that stands in a program is copied for each foreign call.
        ours = jax.jit(mine)
        other = jax.jit(lambda x, step: theirs(x, jax.random.fold_in(key, step)))
        return compare(case, ready(ours, x, step), peer, ready(other, x, step), goal)

    at: dict[str, Any] = {"seed": 0, "site": "drop"}
    yield pair(
        "DropPath, 64 x 256 x 256",
        jnp.ones((64, 256, 256)),
        lambda x, step: thinned.jax.dropout(x, RATE, share=(1, 2), step=step, **at),
        "bernoulli, times x",
        lambda x, key: x * (jax.random.bernoulli(key, RATE, (64, 1, 1)) / RATE),
        0.8,
    )
    yield pair(
        "DropKey, 2^22",
        jnp.ones((16, 8, 128, 256)),
        lambda x, step: thinned.jax.drop_key(x, 0.1, step=step, **at),
        "where(bernoulli, x, -inf)",
        lambda x, key: jnp.where(jax.random.bernoulli(key, 0.9, x.shape), x, -jnp.inf),
        1,
    )

    def fewer(x: Array, key: Any) -> Array:
        kept = jnp.argsort(jax.random.normal(key, (64, 196)), axis=1)[:, :98]
        rest = jnp.take_along_axis(x[:, 1:], kept[..., None], 1)
        return jnp.concatenate([x[:, :1], rest], axis=1)

    yield pair(
        "PatchDropout(0.5), 64 x 197 x 192",
        jnp.ones((64, 197, 192)),
        lambda x, step: thinned.jax.patch_dropout(x, 0.5, step=step, **at)[0],
        "argsort(normal), gather",
        fewer,
        1,
    )
    yield depth()


def depth() -> Row:
    """A compiled step of twelve residual blocks at rate 0.3, forward and backward, against rate 0."""
    x = jnp.ones((32, 64, 256))
    calls = []
    for rate in (0.3, 0.0):
        rngs = nnx.Rngs(0)
        blocks = [
            nnx.Sequential(nnx.Linear(256, 512, rngs=rngs), jax.nn.gelu, nnx.Linear(512, 256, rngs=rngs))
            for _ in range(12)
        ]
        deep = nnx.Sequential(*(thinned.flax.StochasticDepth(block, rate) for block in blocks))
        model = thinned.flax.bind(deep, seed=0)
        run = nnx.jit(nnx.grad(lambda model, x: (model(x) ** 2).mean()))
        calls.append(ready(nnx.cached_partial(run, model), x))
    found = medians({"thinned": calls[0], "whole": calls[1]}, rounds=15)
    mine, theirs = found["thinned"], found["whole"]
    case = "nnx.StochasticDepth(0.3), gradients of 12 blocks"
    return Row(case, "the same without dropping", mine / theirs, 0.8, mine, theirs, at_most=True)


if __name__ == "__main__":
    CASES = {
        "float32": float32,
        "bfloat16": bfloat16,
        "laws": laws,
        "drop_block": drop_block,
        "layers": layers,
    }
    run("jax", CASES, ["jax", "jaxlib", "flax"])
