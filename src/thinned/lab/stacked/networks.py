"""Many perceptrons of one shape: their parameters stacked on a leading axis, one product for a layer of all."""

from collections.abc import Sequence

import torch
from torch import Tensor

from thinned.lab.configuration import Configuration
from thinned.lab.models import mlp
from thinned.mask.address import site_id
from thinned.torch._stack import Masks, relu_dropout

Trial = tuple[Configuration, int]
"""A configuration and a seed."""


class Networks:
    """The networks of some trials, each with the initial weights and the masks that it has alone.

    Args:
        trials: of one shape.
        features: of an example.
        classes: how many logits.
        device: where they live.
        dtype: of parameters and activations.
    """

    def __init__(
        self, trials: Sequence[Trial], features: int, classes: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        layers = len(trials[0][0].hidden)
        names = [*(f"fc{k}" for k in range(1, layers + 1)), "out"]
        found = _initial(trials, features, classes, device, dtype)
        self.weights = [found[f"{name}.weight"] for name in names]
        self.biases = [found[f"{name}.bias"] for name in names]
        seeds = [seed for _, seed in trials]
        self.masks = [
            Masks.of(site_id(f"drop{k + 1}"), seeds, [each.rates[k] for each, _ in trials], device, dtype)
            for k in range(layers)
        ]

    def parameters(self) -> list[Tensor]:
        """Weights (network, output, input), then biases (network, output)."""
        return [*self.weights, *self.biases]

    def logits(self, x: Tensor, step: int | None = None) -> Tensor:
        """Of every network.

        Args:
            x: axes (network, example, feature), or (example, feature) where all see the same.
            step: of training, at which the masks are drawn; None drops nothing.

        Returns:
            Axes (network, example, class).
        """
        hidden = x if x.dim() == 3 else x.expand(len(self.weights[0]), *x.shape)
        for weight, bias, masks in zip(self.weights[:-1], self.biases[:-1], self.masks, strict=True):
            if step is None:
                hidden = torch.relu_(_affine(hidden, weight, bias))
            elif hidden.is_cuda:  # the kernel adds the bias on its way
                hidden = relu_dropout(torch.bmm(hidden, weight.mT), masks, step, bias)
            else:
                hidden = relu_dropout(_affine(hidden, weight, bias), masks, step)
        return _affine(hidden, self.weights[-1], self.biases[-1])


def _affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.baddbmm(bias[:, None], x, weight.mT)


def _initial(
    trials: Sequence[Trial], features: int, classes: int, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Each parameter of all networks: what `mlp` gives for their seeds; it depends on nothing else."""
    seeds = list(dict.fromkeys(seed for _, seed in trials))
    alone = [mlp(features, classes, trials[0][0], seed).state_dict() for seed in seeds]
    places = torch.tensor([seeds.index(seed) for _, seed in trials], device=device)
    return {
        name: torch.stack([each[name] for each in alone]).to(device, dtype)[places].requires_grad_()
        for name in alone[0]
        if name.endswith((".weight", ".bias"))
    }
