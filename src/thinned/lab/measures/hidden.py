"""What the hidden layers of a perceptron hold: before the activation, after it, and after dropout."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from thinned.uncertainty import thinned_outputs

LAYERS = {"fc": "before", "relu": "after", "drop": "dropped"}
"""The names of a perceptron's layers, without their numbers, and what their outputs are."""


@dataclass(slots=True)
class Layer:
    """One hidden layer in one pass.

    Args:
        input: what its linear layer read, axes (example, unit of the layer before).
        before: the linear layer's output, axes (example, unit).
        after: the activation's output, axes as `before`.
        dropped: what the layer hands on: `after` under its mask, or `after` itself where nothing is dropped.
    """

    input: Tensor = field(default_factory=lambda: torch.empty(0))
    before: Tensor = field(default_factory=lambda: torch.empty(0))
    after: Tensor = field(default_factory=lambda: torch.empty(0))
    dropped: Tensor = field(default_factory=lambda: torch.empty(0))


def evaluated(model: nn.Sequential, x: Tensor) -> list[Layer]:
    """The hidden layers with every unit there.

    Args:
        model: of `thinned.lab.models.mlp`, in evaluation mode.
        x: axes (example, feature).
    """
    with torch.no_grad(), _watched(model) as layers:
        model(x)
    return layers


def thinned(model: nn.Sequential, x: Tensor, draw: int = 0) -> list[Layer]:
    """The hidden layers as they are in training, under the masks of one draw.

    A network without dropout is the same in training as in evaluation.
    """
    if not has_dropout(model):
        return evaluated(model, x)
    with _watched(model) as layers:
        next(thinned_outputs(model, x, 1, first=draw))
    return layers


def has_dropout(model: nn.Module) -> bool:
    """Whether a layer of ours draws in it."""
    return any(hasattr(type(module), "is_thinned") for module in model.modules())


@contextmanager
def _watched(model: nn.Sequential) -> Iterator[list[Layer]]:
    layers: list[Layer] = []

    def watch(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        what = names[module]
        if what == "before":
            layers.append(Layer(input=given[0]))
        setattr(layers[-1], what, output)
        if what == "after":
            layers[-1].dropped = output

    names = {
        module: LAYERS[name.rstrip("0123456789")]
        for name, module in model.named_children()
        if name.rstrip("0123456789") in LAYERS
    }
    hooks = [module.register_forward_hook(watch) for module in names]
    try:
        yield layers
    finally:
        for hook in hooks:
            hook.remove()
