"""A module with other weights: called once, while the module itself is left as it is."""

from collections.abc import Mapping
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

_OWN = ("_parameters", "_modules", "_flat_weights")
"""What a shadow does not share."""


@torch.compiler.disable  # type: ignore[untyped-decorator]
def run_with(module: nn.Module, weights: Mapping[str, Tensor], args: Any, kwargs: Any) -> Any:
    """Call a module with other weights, by a shadow of it and of all modules in it.

    Weights that are swapped and restored, as `torch.func.functional_call` does it, would be wrong for another
    thread, and for an activation checkpoint inside the module: in the backward pass it would compute again with
    what was restored, and nothing would tell. A checkpoint inside a shadow computes again with its weights.

    Args:
        module: of any kind; modules in it whose `forward` was replaced on the object have the weights swapped.
        weights: by the names of its parameters; weights that it ties stay tied.
        args: of the call.
        kwargs: of the call.
    """
    shadows = {each: object.__new__(type(each)) for each in module.modules()}
    if any("forward" in vars(each) or isinstance(each, torch.jit.ScriptModule) for each in shadows):
        return torch.func.functional_call(module, dict(weights), args, kwargs)  # they know no other self
    parameters = dict(module.named_parameters())
    other = {id(parameters[name]): weight for name, weight in weights.items()}
    for each, shadow in shadows.items():
        _begin(each, shadow, shadows, other)
    try:
        return shadows[module](*args, **kwargs)
    finally:
        for each, shadow in shadows.items():  # what a forward notes on its module stays there
            noted = {
                name: value
                for name, value in vars(shadow).items()
                if name not in _OWN and value is not shadow.__dict__["_shared"].get(name)
            }
            noted.pop("_shared")
            vars(each).update(noted)


def _begin(
    each: nn.Module, shadow: nn.Module, shadows: Mapping[nn.Module, nn.Module], other: Mapping[int, Tensor]
) -> None:
    """Give a shadow what its module has, other weights, and other shadows in the place of modules."""
    if isinstance(each, nn.RNNBase):
        each._update_flat_weights()  # else the shadow may find its list out of date, and make it anew
    shared = {name: _shadowed(value, shadows) for name, value in vars(each).items()}
    shared["_modules"] = {name: shadows.get(value, value) for name, value in each._modules.items()}  # type: ignore[arg-type]
    if isinstance(each, nn.RNNBase):  # which reads its list alone
        shared["_flat_weights"] = [other.get(id(value), value) for value in each._flat_weights]
    else:
        shared["_parameters"] = {
            name: other.get(id(value), value) for name, value in each._parameters.items()
        }
    vars(shadow).update(shared, _shared=shared)


def _shadowed(value: Any, shadows: Mapping[nn.Module, nn.Module]) -> Any:
    """An attribute, where it is a module, a method of one or a plain list of them, of shadows."""
    if isinstance(value, nn.Module):
        return shadows.get(value, value)
    if isinstance(value, MethodType) and isinstance(value.__self__, nn.Module):
        return MethodType(value.__func__, shadows.get(value.__self__, value.__self__))
    if type(value) in {list, tuple} and any(isinstance(item, nn.Module) for item in value):
        return type(value)(_shadowed(item, shadows) for item in value)
    return value
