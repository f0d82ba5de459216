"""Swap a model's dropout layers for ours, in place, and say what could not be swapped."""

import dis
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any, SupportsIndex

from torch import nn

from thinned.mask.rate import threshold
from thinned.torch._bind import attach, unwrapped
from thinned.torch._layers import Dropout, Dropout1d, Dropout2d, Dropout3d
from thinned.torch._ticket import signed

COUNTERPARTS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: Dropout,
    nn.Dropout1d: Dropout1d,
    nn.Dropout2d: Dropout2d,
    nn.Dropout3d: Dropout3d,
}

_FUNCTIONS = {
    "dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
    "feature_dropout", "native_dropout", "scaled_dot_product_attention", "bernoulli", "bernoulli_",
}  # fmt: skip


@dataclass
class Report:
    """What `convert` did.

    Args:
        swapped: name -> what stands there now.
        left: name -> why it was left as it is, and what to do.
    """

    swapped: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line a layer."""
        lines = [f"swapped {len(self.swapped)}, left {len(self.left)}"]
        lines += [f"  {name or '(the model itself)'}: {what}" for name, what in self.swapped.items()]
        lines += [f"  {name or '(the model itself)'}: left; {why}" for name, why in self.left.items()]
        return "\n".join(lines)


def convert(model: nn.Module, seed: SupportsIndex | None = None) -> Report:
    """Swap every `nn.Dropout`, `nn.Dropout1d`, `2d` and `3d` of a model for ours, in place.

    A layer stays the same object with another class: its rate, mode, hooks and every reference to it hold, and
    so do the state dict and `isinstance(layer, nn.Dropout)`.

    Args:
        model: any module, wrapped or not.
        seed: with one, the model is bound as well; see `bind`. Loading a state dict of a bound model brings its
            seed and step with it; to begin a new run from its weights, `bind` again.

    Returns:
        A report: what was swapped, and what draws in a way that no layer can replace (functional calls,
        attention, fused recurrent layers), for which there is `patched`. Print it.

    Raises:
        RateError: a layer whose rate no threshold stands for; nothing is swapped then.
        AddressError: a seed outside its width.

    Example:
        >>> import torch, thinned.torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.1))
        >>> print(thinned.torch.convert(model, seed=0))
        swapped 1, left 0
          1: Dropout(p=0.1, inplace=False)
    """
    root = unwrapped(model)
    report = Report()
    found = [(name, module) for name, module in root.named_modules() if type(module) in COUNTERPARTS]
    for _, module in found:
        threshold(module.p)
    if seed is not None:
        signed(seed)
    for name, module in found:
        module.__class__ = COUNTERPARTS[type(module)]
        report.swapped[name] = repr(module)
    for name, module in root.named_modules():
        reason = _reason(module)
        if reason is not None:
            report.left[name] = reason
    if seed is not None:
        attach(model, seed)
    return report


def _reason(module: nn.Module) -> str | None:
    """Why a module's own draws stay PyTorch's; None where it makes none."""
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
