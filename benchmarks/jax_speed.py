"""JAX: the law against `flax.nnx.Dropout` with JAX's default generator, both compiled; see PROTOCOL.md.

python benchmarks/jax_speed.py
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from measure import Row, compare
from rich.console import Console
from rich.table import Table

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


def cases() -> Iterator[Row]:
    forward, both = peers()
    step = jnp.uint32(3)
    for power in (16, 18, 20, 22, 24):
        x = jnp.ones(1 << power)
        mine, theirs = ready(ours, x, step), ready(forward, x)
        yield compare(f"JAX forward, float32, 2^{power}", mine, PEER, theirs, 5)
        mine, theirs = ready(ours_both, x, x, step), ready(both, x, x)
        yield compare(f"JAX forward + backward, 2^{power}", mine, PEER, theirs, 5)
    half = jnp.ones(1 << 20, jnp.bfloat16)
    yield compare("JAX forward, bfloat16, 2^20", ready(ours, half, step), PEER, ready(forward, half), 5)


def main() -> None:
    table = Table("case", "against", "ratio", "goal", "ours, us", "peer, us", box=None)
    for row in cases():
        table.add_row(
            row.case, row.against, f"{row.ratio:.1f}", f"{row.goal:g}", f"{row.ours_s * 1e6:.0f}",
            f"{row.peer_s * 1e6:.0f}",
        )  # fmt: skip
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
