"""The networks that trials train; their initial weights are draws of the law, so a seed fixes them."""

from collections import OrderedDict

import torch
from torch import nn

from thinned import mask
from thinned.lab.configuration import Configuration
from thinned.torch import Dropout, bind

INITIAL_STD = 0.01
"""The chapter draws weights from N(0, 0.01^2) and starts biases at 0."""


def mlp(features: int, classes: int, configuration: Configuration, seed: int) -> nn.Module:
    """The chapter's multilayer perceptron: linear, ReLU, dropout for each hidden layer, then linear.

    The layers are called `fc1`, `relu1`, `drop1`, ..., `out`. A layer with rate 0 has no `drop`, and no
    other layer's draws depend on that: weights come from the sites `fc1.weight`, ..., and masks from
    `drop1`, ....

    Args:
        features: of an example.
        classes: how many logits.
        configuration: the widths and the rates.
        seed: of the weights and of the masks.

    Returns:
        A bound model: its masks depend only on (seed, layer name, training step).

    Example:
        >>> from thinned.lab.configuration import Configuration
        >>> [name for name, _ in mlp(64, 10, Configuration(rates=(0, 0.5)), seed=0).named_children()]
        ['fc1', 'relu1', 'fc2', 'relu2', 'drop2', 'out']
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    sizes = (features, *configuration.hidden)
    for k, rate in enumerate(configuration.rates, start=1):
        layers[f"fc{k}"] = _linear(sizes[k - 1], sizes[k], seed, f"fc{k}")
        layers[f"relu{k}"] = nn.ReLU()
        if rate > 0:
            layers[f"drop{k}"] = Dropout(rate)
    layers["out"] = _linear(sizes[-1], classes, seed, "out")
    model: nn.Module = bind(nn.Sequential(layers), seed)
    return model


def _linear(inputs: int, outputs: int, seed: int, name: str) -> nn.Linear:
    # skip_init: nn.Linear would otherwise draw from, and advance, the global generator.
    layer: nn.Linear = torch.nn.utils.skip_init(nn.Linear, inputs, outputs)
    draws = mask.normal((outputs, inputs), seed=seed, site=f"{name}.weight")
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(INITIAL_STD * draws))
        layer.bias.zero_()
    return layer
