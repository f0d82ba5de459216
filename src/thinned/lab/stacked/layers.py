"""What stands between the linear layers of a stack of perceptrons: activations, methods, normalisations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from thinned.lab.configuration import Configuration
from thinned.mask.address import site_id
from thinned.methods import alpha, gaussian_dropout, gaussian_noise, uniform_dropout
from thinned.methods.law import THIN, Law
from thinned.torch._stack import Masks, relu_dropout
from thinned.torch._stack_draws import Perturbation, perturbation

LAWS: Mapping[str, Law] = {
    "Dropout": THIN,
    "r_drop": THIN,
    "BatchDropout": THIN,
    "Dropout1d": THIN,
    "AlphaDropout": alpha.LAW,
    "FeatureAlphaDropout": alpha.LAW,
    "GaussianDropout": gaussian_dropout.LAW,
    "UniformDropout": uniform_dropout.LAW,
    "GaussianNoise": gaussian_noise.LAW,
}
"""The methods that perturb activations."""

CHANNELS = {"Dropout1d": 4, "FeatureAlphaDropout": 4}
"""How many positions of a channel share a draw; see `thinned.lab.methods`."""


@dataclass(frozen=True, slots=True)
class Where:
    """What all networks of a stack share.

    Args:
        seeds: of each network.
        device: where they live.
        dtype: of parameters and activations.
    """

    seeds: Sequence[int]
    device: torch.device
    dtype: torch.dtype

    def perturbed(
        self, law: Law, site: str, strengths: Sequence[float], method: str = ""
    ) -> Perturbation | None:
        """The perturbation of a layer, None where every network leaves it out."""
        return perturbation(
            law, site_id(site), self.seeds, strengths, self.device, self.dtype,
            spread=CHANNELS.get(method, 1), batchwise=method == "BatchDropout",
        )  # fmt: skip


Activation = Callable[[Tensor, int | None, int], Tensor]
"""From pre-activations, a training step (None in evaluation) and a draw to activations."""


def activation(k: int, configurations: Sequence[Configuration], where: Where) -> Activation:
    """The activation of hidden layer k, from 1, with the method before or behind it."""
    common = configurations[0]
    rates = [each.rates[k - 1] for each in configurations]
    act = torch.relu if common.activation == "relu" else torch.tanh
    site = f"relu{k}" if common.method == "StochasticReLU" else f"drop{k}"
    if common.method in CHANNELS:  # inside of `thinned.lab.models.Mapped`
        site += ".layer"
    fused = (
        common.activation == "relu" and common.placement == "after" and common.method in {"Dropout", "r_drop"}
    )
    if fused or common.method == "StochasticReLU":
        masks = Masks.of(site_id(site), where.seeds, rates, where.device, where.dtype)
        return lambda z, step, draw: (
            torch.relu(z) if step is None else relu_dropout(z, masks, step, draw=draw)
        )
    law = LAWS.get(common.method)
    drop = None if law is None else where.perturbed(law, site, rates, common.method)

    def active(z: Tensor, step: int | None, draw: int) -> Tensor:
        if drop is None or step is None:
            return act(z)
        return act(drop(z, step, draw)) if common.placement == "before" else drop(act(z), step, draw)

    return active


class Normalisation:
    """Batch or layer normalisation of the units of each network by itself, as PyTorch's own modules do it.

    Args:
        kind: "batch" or "layer".
        scale: axes (network, unit).
        shift: axes (network, unit).
    """

    EPS, MOMENTUM = 1e-5, 0.1

    def __init__(self, kind: str, scale: Tensor, shift: Tensor) -> None:
        self.kind, self.scale, self.shift = kind, scale, shift
        self.mean, self.variance = torch.zeros_like(scale), torch.ones_like(scale)

    def __call__(self, x: Tensor, training: bool) -> Tensor:
        """Of axes (network, example, unit)."""
        if self.kind == "layer":
            found = nn.functional.layer_norm(x, x.shape[-1:], eps=self.EPS)
        elif training:
            variance, mean = torch.var_mean(x, 1, correction=0)
            self._keep(mean.detach(), variance.detach(), x.shape[1])
            found = (x - mean[:, None]) * torch.rsqrt(variance + self.EPS)[:, None]
        else:
            found = (x - self.mean[:, None]) * torch.rsqrt(self.variance + self.EPS)[:, None]
        return torch.addcmul(self.shift[:, None], found, self.scale[:, None])

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor, count: int) -> None:
        self.mean.lerp_(mean, self.MOMENTUM)
        self.variance.lerp_(variance * (count / (count - 1)), self.MOMENTUM)
