"""Keras on JAX: addresses as arrays, so that no step compiles anything anew."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import thinned.jax
from thinned.keras._stateful import changes_state
from thinned.methods.schedule import Schedule, changes

DTYPE = "uint32"
"""Of the words (seed low, seed high, step) that a bound model keeps."""

LOOPS = (jax.lax.scan, jax.lax.while_loop, jax.lax.fori_loop, jax.lax.map, jax.lax.associative_scan)
"""Whose body is traced once, or for a slice."""

_NEXT = np.array([0, 0, 1], np.uint32)


def read(words: Any) -> tuple[Any, Any]:
    """The seed and the step."""
    return words[:2], words[2]


def plain(words: Any) -> Any:
    """The words as numbers."""
    return np.asarray(words)


def grown(words: Any) -> Any:
    """The words after one more training call."""
    return words + _NEXT


def seed(pair: Any) -> Any:
    """A seed from what `SeedGenerator.next` gives."""
    return pair.astype(jnp.uint32)


def run(function: str, x: Any, *arguments: Any, **address: Any) -> Any:
    """A function of `thinned.jax`."""
    return getattr(thinned.jax, function)(x, *arguments, **address)


def fewer(x: Any, rate: float, prefix: int, ordered: bool, rows: Any, **address: Any) -> Any:
    """The tokens of each sample that stay."""
    place = {"num_prefix_tokens": prefix, "ordered": ordered, "rows": rows}
    return thinned.jax.patch_dropout(x, rate, **place, **address)[0]


def ids(x: Any) -> Any:
    """Global indices of rows, one axis, as a window takes them."""
    return x.reshape(-1)


def keep(x: Any, rate: Any, shape: Any = None, **address: Any) -> Any:
    """`thinned.jax.keep` for an array, or for another shape."""
    return thinned.jax.keep(x.shape if shape is None else shape, rate, **address)


def uniform(x: Any, share: Any, window: Any, **address: Any) -> Any:
    """`thinned.jax.uniform` for an array."""
    return thinned.jax.uniform(x.shape, share=share, window=window, **address)


def conditional(
    kept: Any, run: Callable[[], Any], skip: Callable[[], Any], layers: Sequence[Any], inputs: Any
) -> Any:
    """`run()` where a layer is kept, else `skip()`; both, and one is taken, of layers that change a state."""
    if not isinstance(kept, jax.core.Tracer):
        return run() if bool(kept) else skip()
    if any(changes_state(layer) for layer in layers):
        return jnp.where(kept, run(), skip())  # Keras' variables cannot leave a branch of lax.cond
    return jax.lax.cond(kept, run, skip)


def rate_at(schedule: Schedule, step: Any) -> Any:
    """What a schedule is at a step, exactly: its thresholds are integers."""
    return changes(schedule).at(step, jnp)


def counting(_: Any) -> Any:
    """The module whose `arange` counts the rows of an array."""
    return np


def check_alone() -> None:
    """Nothing: JAX's arrays are global, and the law's masks are the same under any sharding."""


def has_frames() -> bool:
    """Always: JAX traces by running."""
    return True


def track(model: Any, name: str, state: Any) -> None:
    """Nothing: JAX keeps no list of its own."""


def untrack(model: Any, name: str, state: Any) -> None:
    """Nothing."""
