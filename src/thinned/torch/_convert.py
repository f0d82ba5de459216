"""Swap a model's dropout layers for ours, in place, and say what could not be swapped."""

from typing import SupportsIndex

from torch import nn

from thinned.mask.rate import threshold
from thinned.methods.conversion import Report
from thinned.torch._bind import attach, unwrapped
from thinned.torch._strangers import why_left
from thinned.torch._ticket import signed
from thinned.torch.layers.dropout import Dropout
from thinned.torch.layers.spatial import Dropout1d, Dropout2d, Dropout3d

COUNTERPARTS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: Dropout,
    nn.Dropout1d: Dropout1d,
    nn.Dropout2d: Dropout2d,
    nn.Dropout3d: Dropout3d,
}


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
        reason = why_left(module)
        if reason is not None:
            report.left[name] = reason
    if seed is not None:
        attach(model, seed)
    return report
