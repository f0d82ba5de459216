"""Addresses as tensors, for calls whose coordinates are traced or whose tensors are being traced."""

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

import torch
from torch import Tensor

from thinned.errors import AddressError
from thinned.mask.address import coordinate, seed64, site_id
from thinned.mask.rate import LEVELS, threshold

Coordinate: TypeAlias = SupportsIndex | str | Tensor

FIELDS = ("seed", "site", "step", "draw")


def is_traced(x: Tensor, *values: Any) -> bool:
    """Whether the registered operator must be used: something traces, or a coordinate is a tensor."""
    if torch.compiler.is_compiling() or type(x) not in _PLAIN:
        return True
    if any(isinstance(value, Tensor) for value in values):
        return True
    return (
        torch._C._functorch.peek_interpreter_stack() is not None or torch._C._len_torch_dispatch_stack() > 0
    )


_PLAIN = (Tensor, torch.nn.Parameter)


def ticket(rate: Any, address: Sequence[Coordinate]) -> Tensor:
    """The int64 tensor (seed, site, step, draw, threshold) of a draw.

    Raises:
        AddressError: a coordinate outside its width, or a tensor that is not one integer.
        RateError: a constant rate that no threshold stands for.
    """
    fields = [_field(name, value) for name, value in zip(FIELDS, address, strict=True)]
    fields.append(level(rate) if isinstance(rate, Tensor) else threshold(rate))
    if not any(isinstance(field, Tensor) for field in fields):
        return torch.tensor(fields, dtype=torch.int64)
    device = next(field.device for field in fields if isinstance(field, Tensor))
    parts = [
        f.to(device, torch.int64)
        if isinstance(f, Tensor)
        else torch.full((), f, dtype=torch.int64, device=device)
        for f in fields
    ]
    return torch.stack(parts)


def _field(name: str, value: Coordinate) -> int | Tensor:
    if isinstance(value, Tensor):
        return _integer(name, value)
    if name == "seed":
        return signed(value)  # type: ignore[arg-type]
    return coordinate(name, _name_id(value) if isinstance(value, str) else value)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _name_id(name: str) -> int:
    return site_id(name)


def level(rate: Tensor) -> Tensor:
    """The threshold of a traced rate: clamped, NaN as 1, rounded half to even."""
    value = torch.nan_to_num(rate.detach().to(torch.float64), nan=1.0).clamp(0, 1)
    return torch.round(value * LEVELS).to(torch.int64)


def signed(seed: SupportsIndex) -> int:
    """A seed as the signed 64-bit integer that an int64 tensor can hold."""
    value = seed64(seed)
    return value - (1 << 64) if value >= 1 << 63 else value


def _integer(name: str, value: Tensor) -> Tensor:
    if value.dtype.is_floating_point or value.is_complex() or value.dtype == torch.bool or value.dim():
        raise AddressError(
            f"expected {name} as an integer or a tensor of one integer; got a {value.dtype} tensor of shape "
            f"{tuple(value.shape)}. To draw for many, use torch.func.vmap."
        )
    return value
