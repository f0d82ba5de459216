"""Draws that are not ours: layers of PyTorch's own, and functions that a module's code names."""

import torch
from torch import nn

from thinned.methods.conversion import drawn_by
from thinned.torch._counterparts import why_not

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
    reasons = [reason for reason in (why_not(module), _calls(module)) if reason is not None]
    return "; ".join(reasons) or None


def _calls(module: nn.Module) -> str | None:
    """Which random functions a module's code names."""
    if isinstance(module, torch.fx.GraphModule):
        names = {_name(node.target) for node in module.graph.nodes if node.op == "call_function"}
        calls = sorted(names & _FUNCTIONS)
    elif type(module).__module__.startswith("torch."):
        return None
    else:
        is_layer = lambda x: isinstance(x, nn.Module)  # noqa: E731
        calls = sorted(set(drawn_by(type(module).forward, _FUNCTIONS, is_layer, owner=module)))
    if not calls:
        return None
    return f"calls {', '.join(calls)}; use thinned.torch.patched, which catches those whose rate is not 0"


def _name(target: object) -> str:
    """What a graph calls: a function, or an operator such as `aten.dropout.default`."""
    return str(getattr(target, "__name__", target)).partition(".")[0]
