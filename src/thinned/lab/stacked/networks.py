"""Many perceptrons of one shape: their parameters stacked on a leading axis, one product for a layer of all."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from thinned.lab.configuration import Configuration
from thinned.lab.methods import METHODS
from thinned.lab.models import mlp
from thinned.lab.stacked.cohorts import Trial
from thinned.lab.stacked.layers import Normalisation, Where, activation
from thinned.lab.stacked.orders import threads_beside
from thinned.methods import gaussian_noise
from thinned.methods.law import THIN
from thinned.torch._stack_draws import Perturbation


class Networks:
    """The networks of some trials, each with the initial weights and the draws that it has alone.

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
        configurations = [each for each, _ in trials]
        where = Where([seed for _, seed in trials], device, dtype)
        layers = range(1, len(configurations[0].hidden) + 1)
        names = [*(f"fc{k}" for k in layers), "out"]
        found = _initial(trials, features, classes, device, dtype)
        self.weights = [found[f"{name}.weight"] for name in names]
        self.biases = [found[f"{name}.bias"] for name in names]
        self._activations = [activation(k, configurations, where) for k in layers]
        kind, _, self._place = configurations[0].normalisation.partition("-")
        self._norms = [
            None if kind == "none" else Normalisation(kind, found[f"norm{k}.weight"], found[f"norm{k}.bias"])
            for k in layers
        ]
        self._noise = where.perturbed(
            gaussian_noise.LAW, "noise0", [each.input_noise for each in configurations]
        )
        self._input = where.perturbed(THIN, "drop0", [each.input_rate for each in configurations])
        self._connections = _connections(names, configurations, where)

    def parameters(self) -> list[Tensor]:
        """Weights, axes (network, output, input), then vectors, axes (network, unit)."""
        norms = [each for norm in self._norms if norm is not None for each in (norm.scale, norm.shift)]
        return [*self.weights, *self.biases, *norms]

    def logits(self, x: Tensor, step: int | None = None, draw: int = 0) -> Tensor:
        """Of every network.

        Args:
            x: axes (network, example, feature), or (example, feature) where all see the same.
            step: of training, at which is drawn; None evaluates.
            draw: which of several draws.

        Returns:
            Axes (network, example, class).
        """
        hidden = x if x.dim() == 3 else x.expand(len(self.weights[0]), *x.shape)
        if step is not None:
            for perturb in (self._noise, self._input):
                hidden = hidden if perturb is None else perturb(hidden, step, draw)
        for k, (active, norm) in enumerate(zip(self._activations, self._norms, strict=True)):
            z = self._affine(k, hidden, step, draw)
            if norm is not None and self._place == "before":
                z = norm(z, step is not None)
            hidden = active(z, step, draw)
            if norm is not None and self._place == "after":
                hidden = norm(hidden, step is not None)
        return self._affine(-1, hidden, step, draw)

    def _affine(self, k: int, x: Tensor, step: int | None, draw: int) -> Tensor:
        weight, bias = self.weights[k], self.biases[k]
        if step is not None:
            of_weight, of_bias = self._connections[k]
            weight = weight if of_weight is None else of_weight(weight, step, draw)
            bias = bias if of_bias is None else of_bias(bias[:, None], step, draw)[:, 0]
        return torch.baddbmm(bias[:, None], x, weight.mT)


def _connections(
    names: Sequence[str], configurations: Sequence[Configuration], where: Where
) -> list[tuple[Perturbation | None, Perturbation | None]]:
    """Of each linear layer, what is done to its weights and to its biases: DropConnect with one mask a batch."""
    common = configurations[0]
    if METHODS[common.method].kind != "linear":
        return [(None, None)] * len(names)
    found = []
    for k, name in enumerate(names):
        place = k if common.placement == "before" else k - 1
        rates = [each.rates[place] if 0 <= place < len(each.rates) else 0.0 for each in configurations]
        weight, bias = (where.perturbed(THIN, f"{name}/{part}", rates) for part in ("weight", "bias"))
        found.append((weight, bias if dict(common.method_args).get("drop_bias", True) else None))
    return found


def _initial(
    trials: Sequence[Trial], features: int, classes: int, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Each parameter of all networks: what `mlp` gives for their seeds; it depends on nothing else."""
    seeds = list(dict.fromkeys(seed for _, seed in trials))
    with ThreadPoolExecutor(threads_beside(device)) as pool:
        alone = list(pool.map(lambda seed: mlp(features, classes, trials[0][0], seed).state_dict(), seeds))
    order = {seed: place for place, seed in enumerate(seeds)}
    places = torch.tensor([order[seed] for _, seed in trials], device=device)
    return {
        name: torch.stack([each[name] for each in alone]).to(device, dtype)[places].requires_grad_()
        for name in alone[0]
        if name.endswith((".weight", ".bias"))
    }
