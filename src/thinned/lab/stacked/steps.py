"""The optimisers of a cohort: each network's own learning rate and weight decay, in one operation for all."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from thinned.lab.configuration import Configuration
from thinned.lab.stacked.networks import Networks

Step = Callable[[Sequence[Tensor]], None]
"""Takes the gradients of `Networks.parameters()` and moves them."""


def optimiser(networks: Networks, configurations: Sequence[Configuration]) -> Step:
    """The step that these configurations, which agree on the optimiser, ask for."""
    return (
        _adam(networks, configurations[0])
        if configurations[0].optimiser == "adam"
        else _sgd(networks, configurations)
    )


def _sgd(networks: Networks, configurations: Sequence[Configuration]) -> Step:
    rates = _table(networks, [each.lr for each in configurations])
    decays = [each.weight_decay for each in configurations]
    decay = _table(networks, decays)
    parameters = networks.parameters()

    @torch.no_grad()
    def step(gradients: Sequence[Tensor]) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if parameter.dim() == 2:  # biases and scales, which do not decay
                parameter.addcmul_(gradient, rates[:, None], value=-1)
                continue
            moved = gradient.addcmul_(parameter, decay[:, None, None]) if any(decays) else gradient
            parameter.addcmul_(moved, rates[:, None, None], value=-1)

    return step


def _adam(networks: Networks, common: Configuration) -> Step:
    # Adam works element by element, so that of the stack is that of each network.
    groups: list[dict[str, Any]] = [
        {"params": networks.weights, "weight_decay": common.weight_decay},
        {"params": networks.parameters()[len(networks.weights) :]},
    ]
    adam = torch.optim.Adam(groups, lr=common.lr)

    def step(gradients: Sequence[Tensor]) -> None:
        for parameter, gradient in zip(networks.parameters(), gradients, strict=True):
            parameter.grad = gradient
        adam.step()

    return step


def _table(networks: Networks, values: Sequence[float]) -> Tensor:
    first = networks.weights[0]
    return torch.tensor(values, dtype=torch.float64).to(first.device, first.dtype)
