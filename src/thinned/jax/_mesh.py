"""What a program must say of its values under a mesh: along which axes they vary, or are divided."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp


def alike(*operands: Any) -> tuple[Any, ...]:
    """Inside `shard_map`, operands that vary along the same mesh axes, as every operation there needs them."""
    varying = [_varying(operand) for operand in operands]
    every = frozenset().union(*varying)
    if all(axes == every for axes in varying):
        return operands
    return tuple(
        _vary(operand, tuple(every - axes)) if every - axes else operand
        for operand, axes in zip(operands, varying, strict=True)
    )


def _varying(operand: Any) -> frozenset[Any]:
    kind = jax.typeof(operand)
    return getattr(getattr(kind, "mat", kind), "varying", None) or getattr(kind, "vma", None) or frozenset()


def _vary(operand: Any, axes: tuple[Any, ...]) -> Any:
    if hasattr(jax.lax, "pcast"):
        return jax.lax.pcast(operand, axes, to="varying")
    return jax.lax.pvary(operand, axes)  # type: ignore[attr-defined]  # JAX 0.6 to 0.8


def stacked(words: Sequence[Any]) -> Any:
    """Scalars as one uint32 array, where some have lanes that are divided among the devices of an explicit mesh."""
    found = [jnp.asarray(word, jnp.uint32) for word in words]
    if not jax.sharding.get_abstract_mesh().empty:
        # A stack takes one sharding only; a sum with what has all of them is divided as they are.
        zero = sum(word & 0 for word in found)
        found = [word + zero for word in found]
    return jnp.stack(found)


def lanes_in_front(operands: Sequence[Any], dims: Sequence[int | None]) -> list[Any]:
    """Operands of `vmap` with lanes of their own, in front; under an explicit mesh all are divided alike."""
    size, front = next(
        (operand.shape[dim], _spec(operand)[dim])
        for operand, dim in zip(operands, dims, strict=True)
        if dim is not None
    )
    found = []
    for operand, dim in zip(operands, dims, strict=True):
        if dim is not None:
            found.append(jnp.moveaxis(operand, dim, 0))
            continue
        lanes = jnp.broadcast_to(operand, (size, *operand.shape))
        if front is not None:
            sharding: Any = jax.sharding
            lanes = sharding.reshard(lanes, sharding.PartitionSpec(front, *_spec(operand)))
        found.append(lanes)
    return found


def _spec(operand: Any) -> tuple[Any, ...]:
    """Along which axes of an explicit mesh each axis is divided."""
    kind = jax.typeof(operand)
    spec = tuple(getattr(getattr(kind, "sharding", None), "spec", ()))
    return (*spec, *[None] * (kind.ndim - len(spec)))
