"""The networks of a published notebook that answers the chapter's exercises, each of its mistakes a switch.

The notebook prints four accuracies. Its mistakes:

- `mask="randn"`: the mask is `randn(shape) > p`, a normal where a uniform was meant, and its scale stays
  `1 / (1 - p)`. At `p = 0.5` that drops with probability 0.69 and multiplies what is kept by 2, so what the next
  layer receives has 0.62 of its expectation.
- `scale=False`: the "stochastic ReLU" multiplies by a mask of 0 and 1 and by nothing else, "since the expected
  value of the function is equal to the input"; it is `1 - p` of it.
- It tests on pixels from 0 to 255 what was trained on pixels from 0 to 1. That is no part of a network: see
  `thinned.lab.measures.published`.
- Weight decay of 0.5, in a configuration's `weight_decay`.

References:
    pandalabme, "d2l_solutions", exercises of section 5.6, 2023,
    https://github.com/pandalabme/d2l/tree/main/exercises/ch5.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor, nn

from thinned import mask
from thinned.errors import ConfigurationError
from thinned.lab.configuration import Configuration
from thinned.torch import DropConnectLinear, Dropout, bind

SWITCHES: dict[str, tuple[Any, ...]] = {
    "initial": ("normal", "pytorch"),
    "mask": ("uniform", "randn"),
    "scale": (True, False),
}
"""What a configuration's `method_args` may say; the first is the default, which is the chapter's."""

INITIAL_STD = 0.01


class Multiplied(nn.Module):
    """A layer that drops, whose output in training is multiplied by what a mistake makes of its expectation.

    Args:
        layer: unbiased: its output in training has the expectation that it has in evaluation.
        factor: of the output in training, the bias of a linear layer left as it is.

    Attributes:
        at_test: factor of the output in evaluation: 1 as published, `factor` where the mistake is mended at test.
    """

    def __init__(self, layer: nn.Module, factor: float) -> None:
        super().__init__()
        self.layer = layer
        self.factor = factor
        self.at_test = 1.0

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, multiplied."""
        y: Tensor = self.layer(x)
        factor = self.factor if self.layer.training else self.at_test
        bias = getattr(self.layer, "bias", None)
        return y * factor if bias is None else (y - bias) * factor + bias


def published(shape: Sequence[int], classes: int, configuration: Configuration, seed: int) -> nn.Module:
    """A perceptron with the layers of `thinned.lab.models.mlp`, and the switches of `SWITCHES`.

    Args:
        shape: of an example.
        classes: how many logits.
        configuration: widths, rates, method "Dropout" (also of the stochastic ReLU: a mask of 0 and 1 before a
            rectifier and after it are the same) or "DropConnectLinear" with one mask a batch, of the layers that
            make each hidden layer; and `method_args`.
        seed: of weights and masks.

    Raises:
        ConfigurationError: another method, or an argument that is no switch.

    Example:
        >>> faulty = Configuration(hidden=(8,), rates=(0.5,), model="published", method_args={"mask": "randn"})
        >>> layer = published((4,), 2, faulty, seed=0).drop1
        >>> round(layer.layer.p, 3), round(layer.factor, 3)
        (0.691, 0.617)
    """
    switches = _switches(configuration)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    sizes = (math.prod(shape), *configuration.hidden)
    for k, rate in enumerate(configuration.rates, start=1):
        linear = _linear(sizes[k - 1], sizes[k], seed, f"fc{k}", switches["initial"])
        dropped, factor = mistaken(rate, switches)
        connect = configuration.method == "DropConnectLinear" and rate > 0
        layers[f"fc{k}"] = Multiplied(_connect(linear, dropped), factor) if connect else linear
        layers[f"relu{k}"] = nn.ReLU()
        if rate > 0 and not connect:
            layers[f"drop{k}"] = Multiplied(Dropout(dropped), factor)
    layers["out"] = _linear(sizes[-1], classes, seed, "out", switches["initial"])
    model: nn.Module = bind(nn.Sequential(layers), seed)
    return model


def mistaken(rate: float, switches: dict[str, Any]) -> tuple[float, float]:
    """With which probability a mistaken layer of a rate drops, and what it makes of the expectation.

    Example:
        >>> mistaken(0.5, {"mask": "uniform", "scale": False})
        (0.5, 0.5)
    """
    dropped = NormalDist().cdf(rate) if switches["mask"] == "randn" and rate else rate
    scale = 1 / (1 - rate) if switches["scale"] else 1.0
    # By the rate that the law has, so that what is kept is multiplied by the notebook's scale and nothing else.
    return dropped, (1 - float(mask.quantise(dropped))) * scale


def _switches(configuration: Configuration) -> dict[str, Any]:
    given = dict(configuration.method_args)
    if configuration.method not in {"Dropout", "DropConnectLinear"}:
        raise ConfigurationError(
            f"expected for model published the method Dropout or DropConnectLinear; got {configuration.method}."
        )
    for name, value in given.items():
        if name not in SWITCHES or value not in SWITCHES[name]:
            raise ConfigurationError(
                f"expected for model published the switches {SWITCHES}; got {name!r}: {value!r}."
            )
    return {name: values[0] for name, values in SWITCHES.items()} | given


def _connect(linear: nn.Linear, rate: float) -> DropConnectLinear:
    with torch.random.fork_rng(devices=[]):  # its constructor draws weights, which are replaced
        layer = DropConnectLinear(
            linear.in_features, linear.out_features, p=rate, per="batch", drop_bias=False
        )
    layer.load_state_dict(linear.state_dict())
    return layer


def _linear(inputs: int, outputs: int, seed: int, name: str, initial: str) -> nn.Linear:
    """Normal weights and no biases, or both uniform in +-1 / sqrt(inputs), as `nn.Linear` has them."""
    layer: nn.Linear = torch.nn.utils.skip_init(nn.Linear, inputs, outputs)
    with torch.no_grad():
        if initial == "normal":
            draws = INITIAL_STD * mask.normal((outputs, inputs), seed=seed, site=f"{name}.weight")
            layer.weight.copy_(torch.from_numpy(draws))
            layer.bias.zero_()
        else:
            for part, values in (("weight", layer.weight), ("bias", layer.bias)):
                u = mask.uniform(tuple(values.shape), seed=seed, site=f"{name}.{part}.uniform")
                values.copy_(torch.from_numpy((2 * u - 1) / math.sqrt(inputs)))
    return layer
