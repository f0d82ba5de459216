"""What a program must say inside `shard_map`: along which axes of the mesh its values vary."""

from typing import Any

import jax


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
