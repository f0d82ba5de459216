"""Draws that are not ours: layers of PyTorch's own, and functions that a module's code names."""

import dis
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from torch import nn

_FUNCTIONS = {
    "dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
    "feature_dropout", "native_dropout", "scaled_dot_product_attention", "bernoulli", "bernoulli_",
}  # fmt: skip


def of_its_own(module: nn.Module) -> str | None:
    """Why a layer of PyTorch's own draws as PyTorch does, whatever is bound; None where it does not."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        if hasattr(type(module), "is_thinned") or module.p == 0:
            return None
        return f"{type(module).__name__} has no counterpart; thinned.torch.patched catches what it can of it"
    if isinstance(module, nn.RNNBase):
        if module.dropout == 0 or module.num_layers == 1:
            return None
        return f"{type(module).__name__}(dropout={module.dropout}) draws between its layers, inside one fused call"
    if isinstance(module, nn.MultiheadAttention):
        return "attention draws in a functional call; use thinned.torch.patched" if module.dropout else None
    return None


def why_left(module: nn.Module) -> str | None:
    """Why a module's own draws stay PyTorch's; None where it makes none."""
    if isinstance(module, (nn.modules.dropout._DropoutNd, nn.RNNBase, nn.MultiheadAttention)):
        return of_its_own(module)
    if type(module).__module__.startswith("torch."):
        return None
    calls = sorted(set(_draws(type(module).forward)))
    if not calls:
        return None
    return f"calls {', '.join(calls)}; use thinned.torch.patched, which catches those whose rate is not 0"


def _draws(function: Any, depth: int = 2) -> Iterator[str]:
    """The random functions that a function names, and those that functions of its module name for it."""
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        return
    for name in _names(function.__code__):
        target = function.__globals__.get(name)
        if isinstance(target, nn.Module) or inspect.isclass(target):
            continue
        if name in _FUNCTIONS and not _is_attribute_of_self(function.__code__, name):
            yield name
        elif depth and isinstance(target, FunctionType) and target.__module__ == function.__module__:
            yield from _draws(target, depth - 1)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_attribute_of_self(code: CodeType, name: str) -> bool:
    """Whether every `name` in the code is `self.name`: a layer that is called dropout, not a function."""
    owners = []
    previous: dis.Instruction | None = None
    for step in dis.get_instructions(code):
        if step.argval == name and step.opname.startswith("LOAD"):
            owners.append(previous is not None and previous.argval == "self")
        previous = step
    return bool(owners) and all(owners)
