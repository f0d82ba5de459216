"""Addresses as tensors, for calls whose coordinates are traced or whose tensors are being traced."""

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

import torch
from torch import Tensor

from thinned.errors import AddressError, RateError
from thinned.mask.address import coordinate, seed64, site_id
from thinned.mask.rate import LEVELS, WIDE_LEVELS, threshold
from thinned.methods.law import bits, check_size

Coordinate: TypeAlias = SupportsIndex | str | Tensor

FIELDS = ("seed", "site", "step", "draw")
_SMALL = {"seed": 1 << 63, "site": 1 << 32, "step": 1 << 32, "draw": 1 << 16}


def is_traced(x: Tensor, *values: Any) -> bool:
    """Whether the registered operator must be used: something traces, or a coordinate is a tensor."""
    if type(x) not in _PLAIN or x.is_nested or _compiling():
        return True
    for value in values:  # any() would take a microsecond for its generator
        if type(value) not in _NUMBERS and isinstance(value, Tensor):
            return True
    return _transformation() is not None or _dispatch_modes() > 0 or _tracing() is not None


# By names of our own: in a small call each attribute on the way to them is looked up in cold memory.
_compiling, _forward_mode = torch.compiler.is_dynamo_compiling, torch.autograd.forward_ad
_transformation = torch._C._functorch.peek_interpreter_stack
_dispatch_modes = torch._C._len_torch_dispatch_stack
_tracing = torch._C._get_tracing_state


def is_forward_mode() -> bool:
    """Whether there may be tangents, which neither fused functions nor registered operators pass on."""
    return _forward_mode._current_level >= 0


_PLAIN = (Tensor, torch.nn.Parameter)
_NUMBERS = (int, float)
_FIRST = 0.5 / LEVELS
"""Rates above it, and as far below 1, have a threshold that is neither none nor all."""


def ticket(rate: Any, address: Sequence[Coordinate], measure: str = "rate") -> Tensor:
    """The int64 tensor (seed, site, step, draw, amount) of a draw; the amount is a threshold by default.

    Args:
        rate: or what the law's amount stands for.
        address: seed, site, step, draw.
        measure: `rate`, `wide` or `size`, as `thinned.methods.law.Law` has it.

    Raises:
        AddressError: a coordinate outside its width, or a tensor that is not one integer.
        RateError: a constant rate that no threshold stands for.
    """
    fields = [_field(name, value) for name, value in zip(FIELDS, address, strict=True)]
    fields.append(size(rate) if measure == "size" else level(rate, wide=measure == "wide"))
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
    if torch.compiler.is_compiling() and type(value) is int and 0 <= value < _SMALL[name]:
        return value  # perhaps symbolic: looking at it more closely would compile anew for each step
    if name == "seed":
        return signed(value)  # type: ignore[arg-type]
    return coordinate(name, _name_id(value) if isinstance(value, str) else value)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _name_id(name: str) -> int:
    return site_id(name)


def level(rate: Any, *, wide: bool = False) -> int | Tensor:
    """The threshold of a rate; a traced one is clamped, NaN as 1, and rounded half to even."""
    if not isinstance(rate, Tensor):
        if not (torch.compiler.is_compiling() and type(rate) is float and _FIRST < rate < 1 - _FIRST):
            return threshold(rate, wide=wide)
        # Perhaps symbolic: a rate that is set anew compiles nothing anew.
        rate = torch.ones((), dtype=torch.float64) * rate
    value = torch.nan_to_num(_one(rate), nan=1.0).clamp(0, 1)
    return torch.round(value * (WIDE_LEVELS if wide else LEVELS)).to(torch.int64)


def size(value: Any) -> int | Tensor:
    """The bits of a standard deviation."""
    if not isinstance(value, Tensor):
        if not (torch.compiler.is_compiling() and type(value) is float and value > 0):
            return bits(check_size(value))
        value = torch.ones((), dtype=torch.float64) * value
    return _one(value).view(torch.int64)


def _one(rate: Tensor) -> Tensor:
    """A traced number, in float64."""
    if rate.dim() or rate.is_complex() or rate.dtype == torch.bool:
        raise RateError(
            f"expected a rate as one number or a tensor of one; got a {rate.dtype} tensor of shape "
            f"{tuple(rate.shape)}. To draw for many, use torch.func.vmap."
        )
    return rate.detach().to(torch.float64)


def with_level(at: Tensor, rate: Any) -> Tensor:
    """A ticket of a seed, a site, a step and a draw, with the threshold of a rate as its end."""
    found = level(rate)
    return torch.cat([at, found.reshape(1) if isinstance(found, Tensor) else torch.tensor([found])])


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
