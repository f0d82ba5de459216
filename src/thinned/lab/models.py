"""The networks that trials train; their initial weights are draws of the law, so a seed fixes them."""

import importlib
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import thinned.torch
from thinned import mask
from thinned.lab.configuration import Configuration
from thinned.lab.methods import METHODS, MODELS, Method
from thinned.lab.tikhonov import Penalised
from thinned.torch import Dropout, GaussianNoise, bind

INITIAL_STD = 0.01
"""The chapter draws weights from N(0, 0.01^2) and starts biases at 0."""

Loss = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From a network, inputs and labels to the loss that is minimised, a mean over the batch, and the logits."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network, and what its method does beside its layers.

    Args:
        module: a bound model.
        loss: another loss than the cross-entropy of its logits, or None.
        after_step: called after each step of the optimiser, or None.
    """

    module: nn.Module
    loss: Loss | None = None
    after_step: Callable[[], object] | None = None


def network(shape: Sequence[int], classes: int, configuration: Configuration, seed: int) -> Network:
    """The network that a configuration asks for.

    Args:
        shape: of an example.
        classes: how many logits.
        configuration: the model, and the method with its strengths.
        seed: of the weights and of the masks.
    """
    if configuration.model == "mlp":
        module = mlp(math.prod(shape), classes, configuration, seed)
    else:
        make = getattr(importlib.import_module(MODELS[configuration.model]), configuration.model)
        module = make(shape, classes, configuration, seed)
    return Network(module, _loss(configuration), _after_step(module, configuration))


def mlp(features: int, classes: int, configuration: Configuration, seed: int) -> nn.Module:
    """The chapter's multilayer perceptron: linear, ReLU, dropout for each hidden layer, then linear.

    The layers are called `fc1`, `relu1`, `drop1`, ..., `out`. A layer with rate 0 has no `drop`, and no
    other layer's draws depend on that: weights come from the sites `fc1.weight`, ..., and masks from
    `drop1`, .... `noise0` and `drop0` are those of the input, `norm1`, ... are normalisations. A method that
    works on weights takes the place of a linear layer, under its name, and one that rectifies that of `relu1`, ....

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
    if configuration.input_noise:
        layers["noise0"] = GaussianNoise(configuration.input_noise)
    if configuration.input_rate:
        layers["drop0"] = Dropout(configuration.input_rate)
    sizes = (features, *configuration.hidden, classes)
    strengths = _of_linears(configuration)
    for k, rate in enumerate(configuration.rates, start=1):
        layers[f"fc{k}"] = _made(
            _linear(sizes[k - 1], sizes[k], seed, f"fc{k}"), strengths[k - 1], configuration
        )
        layers |= _hidden(k, rate, configuration)
    layers["out"] = _made(_linear(sizes[-2], classes, seed, "out"), strengths[-1], configuration)
    model: nn.Module = bind(nn.Sequential(layers), seed)
    return model


def _hidden(k: int, rate: float, configuration: Configuration) -> dict[str, nn.Module]:
    """What stands between two linear layers, in order."""
    method = METHODS[configuration.method]
    width = configuration.hidden[k - 1]
    kind, _, place = configuration.normalisation.partition("-")
    norm = (
        {}
        if kind == "none"
        else {f"norm{k}": nn.BatchNorm1d(width) if kind == "batch" else nn.LayerNorm(width)}
    )
    relu: dict[str, nn.Module] = {f"relu{k}": nn.ReLU() if configuration.activation == "relu" else nn.Tanh()}
    drop: dict[str, nn.Module] = {}
    if rate > 0 and method.kind == "rectifier":
        relu = {f"relu{k}": _layer(method, rate, configuration)}
    elif rate > 0 and method.kind in {"activation", "loss"}:
        drop = {f"drop{k}": _layer(method, rate, configuration)}
    active = drop | relu if configuration.placement == "before" else relu | drop
    return norm | active if place == "before" else active | norm


def _layer(method: Method, strength: float, configuration: Configuration) -> nn.Module:
    """A method's layer between linear layers."""
    if method.kind == "loss":
        return Dropout(strength)
    layer: nn.Module = getattr(thinned.torch, method.name)(strength, **dict(configuration.method_args))
    return Mapped(layer, method.maps) if method.maps else layer


def _of_linears(configuration: Configuration) -> tuple[float, ...]:
    """The strength at each linear layer of a method that works on weights, 0 for none."""
    if METHODS[configuration.method].kind != "linear":
        return (0.0,) * (len(configuration.rates) + 1)
    before = configuration.placement == "before"
    return (*configuration.rates, 0.0) if before else (0.0, *configuration.rates)


def _made(linear: nn.Linear, strength: float, configuration: Configuration) -> nn.Module:
    """A linear layer as the method has it, with the same initial weights."""
    if not strength:
        return linear
    args = dict(configuration.method_args)
    if configuration.method == "DropConnectLinear":
        with torch.random.fork_rng(devices=[]):  # its constructor draws weights, which are replaced
            layer = thinned.torch.DropConnectLinear(linear.in_features, linear.out_features, strength, **args)
        layer.load_state_dict(linear.state_dict())
        return layer
    wrapped: nn.Module = getattr(thinned.torch, configuration.method)(linear, strength, **args)
    return wrapped


class Mapped(nn.Module):
    """A layer for feature maps on the units of a perceptron, seen as channels of some positions each.

    Args:
        layer: takes axes (batch, channel, position).
        positions: of each channel; they divide the units.
    """

    def __init__(self, layer: nn.Module, positions: int) -> None:
        super().__init__()
        self.layer = layer
        self.positions = positions

    def forward(self, x: Tensor) -> Tensor:
        """Axes (batch, unit), in and out."""
        y: Tensor = self.layer(x.unflatten(1, (-1, self.positions))).flatten(1)
        return y


def _loss(configuration: Configuration) -> Loss | None:
    if configuration.tikhonov:
        return Penalised(configuration.tikhonov)
    args: dict[str, Any] = dict(configuration.method_args)
    if configuration.method == "r_drop":
        return _R_Drop(**args)
    return _regularised if configuration.method == "ConcreteDropout" else None


def _regularised(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy, with what layers that learn their rate add to it."""
    logits = model(x)
    return nn.functional.cross_entropy(logits, y) + thinned.torch.concrete_regulariser(model), logits


class _R_Drop:  # noqa: N801 - the paper's name
    """Half the R-Drop loss, so that at `alpha` 0 it is the mean cross-entropy of two draws, in its usual size."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        first = model(x)
        with thinned.torch.draws(model, 1):
            second = model(x)
        return thinned.torch.r_drop_loss(first, second, y, self.alpha) / 2, first


def _after_step(module: nn.Module, configuration: Configuration) -> Callable[[], object] | None:
    if configuration.method != "max_norm" or not any(configuration.rates):
        return None
    bounds = [
        (module.get_parameter(f"fc{k}.weight"), radius)
        for k, radius in enumerate(configuration.rates, start=1)
        if radius
    ]

    def pull() -> None:
        for weight, radius in bounds:
            thinned.torch.max_norm(weight, radius)

    return pull


def _linear(inputs: int, outputs: int, seed: int, name: str) -> nn.Linear:
    # skip_init: nn.Linear would otherwise draw from, and advance, the global generator.
    layer: nn.Linear = torch.nn.utils.skip_init(nn.Linear, inputs, outputs)
    draws = mask.normal((outputs, inputs), seed=seed, site=f"{name}.weight")
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(INITIAL_STD * draws))
        layer.bias.zero_()
    return layer
