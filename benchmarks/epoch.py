"""One training epoch of the chapter's network, 784-256-256-10, with three kinds of layer between."""

from functools import partial

import torch
from measure import medians
from torch import Tensor, nn

import thinned.torch

EXAMPLES, BATCH, LEARNING_RATE = 60_000, 256, 0.5


def epochs() -> dict[str, float]:
    """Median seconds of an epoch; random pictures of Fashion-MNIST's shape cost what real ones do."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(EXAMPLES, 784, generator=generator)
    y = torch.randint(10, (EXAMPLES,), generator=generator)
    kinds = {"thinned": thinned.torch.Dropout, "nn.Dropout": nn.Dropout, "none": None}
    models = {name: network(kind) for name, kind in kinds.items()}
    thinned.torch.bind(models["thinned"], seed=0)
    return medians({name: partial(epoch, model, x, y) for name, model in models.items()}, rounds=5)


def network(layer: type[nn.Module] | None) -> nn.Sequential:
    torch.manual_seed(0)
    drops = [layer(0.2), layer(0.5)] if layer else [nn.Identity(), nn.Identity()]
    return nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(), drops[0], nn.Linear(256, 256), nn.ReLU(), drops[1], nn.Linear(256, 10)
    )


def epoch(model: nn.Module, x: Tensor, y: Tensor) -> None:
    optimiser = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    for start in range(0, len(x), BATCH):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x[start : start + BATCH]), y[start : start + BATCH]).backward()
        optimiser.step()
