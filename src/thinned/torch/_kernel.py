"""Plans run on torch tensors: by the CPU kernel where there is one, else in plain tensor operations."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from thinned.errors import DtypeError
from thinned.kernels.execute import ADD, DROP, RELU, Coordinates, Flat
from thinned.kernels.execute import relu_gradient as _relu_gradient
from thinned.kernels.execute import thin as _thin
from thinned.mask.plan import Plan
from thinned.methods.dropout import plan
from thinned.torch import _plain

__all__ = ["ADD", "DROP", "RELU", "check_dtype", "planned", "relu_gradient", "thin"]

planned = lru_cache(maxsize=4096, typed=True)(plan)
"""`methods.dropout.plan` for hashable arguments; a training loop asks for the same few plans again and again."""

_AS_INTEGERS = {torch.bfloat16: torch.uint16, torch.float16: torch.int16}
_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def check_dtype(x: Tensor) -> None:
    """Refuse what no kernel can drop from.

    Raises:
        DtypeError: not one of float32, float64, bfloat16, float16.
    """
    if x.dtype not in _DTYPES:
        hint = "; drop from torch.view_as_real(x)" if x.is_complex() else "; convert it with x.float()"
        raise DtypeError(
            f"expected a tensor of float32, float64, bfloat16 or float16; got {x.dtype} of shape "
            f"{tuple(x.shape)}{hint}."
        )


def thin(op: int, x: Tensor, how: Plan, address: Coordinates, residual: Tensor | None = None) -> Tensor:
    """`y = k x s` and its fused forms, in a fresh tensor with the memory format of `x`."""
    check_dtype(x)
    if x.device.type != "cpu":
        return _plain.thin(op, x, how, address, residual)
    source = x.contiguous()
    result = torch.empty_like(source)
    flat = None if residual is None else _flat(residual.contiguous())
    _thin(op, _flat(source), _flat(result), how, address, residual=flat, threads=torch.get_num_threads())
    return result if source is x else torch.empty_like(x).copy_(result)


def thin_(op: int, x: Tensor, how: Plan, address: Coordinates) -> None:
    """`thin` written over its input."""
    check_dtype(x)
    if x.device.type == "cpu" and x.is_contiguous():
        flat = _flat(x)
        _thin(op, flat, flat, how, address, threads=torch.get_num_threads())
    else:
        x.copy_(thin(op, x, how, address))


def relu_gradient(gradient: Tensor, output: Tensor, scale: float) -> Tensor:
    """The gradient of `y = k relu(x) s` from `y` alone."""
    if gradient.device.type != "cpu":
        return _plain.relu_gradient(gradient, output, scale)
    gradient, output = gradient.contiguous(), output.contiguous()
    result = torch.empty_like(gradient)
    _relu_gradient(_flat(gradient), _flat(output), _flat(result), scale, threads=torch.get_num_threads())
    return result


def _flat(x: Tensor) -> Flat:
    """The memory of a contiguous tensor as the kernel takes it."""
    integers = _AS_INTEGERS.get(x.dtype)
    bits = x.detach() if integers is None else x.detach().view(integers)
    array: Flat = bits.numpy()
    return array if array.ndim == 1 else np.reshape(array, -1)
