"""Small networks and few examples, for measures whose values are known."""

import torch

from thinned.lab.configuration import Configuration
from thinned.lab.measures import Context, Examples
from thinned.lab.models import network

SEED = 3


def examples(count=40, features=6, classes=3):
    """Uniform inputs and labels, the same each time."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(count, features, generator=generator)
    y = torch.randint(classes, (count,), generator=generator)
    return Examples(x, y, x[: count // 2], y[: count // 2], classes, (features,))


def context(configuration, epoch=1):
    """Of a trained network."""
    return Context(configuration, SEED, epoch, last=True)


def model(configuration, scale=40.0, features=6, classes=3):
    """A network of these settings with weights large enough to disagree, in evaluation mode."""
    made = network((features,), classes, configuration, SEED).module.eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(scale)
    return made


def settings(**changes):
    """A configuration of few units."""
    return Configuration(**({"hidden": (4, 3), "rates": (0.25, 0.5)} | changes))
