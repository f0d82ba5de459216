"""A model of the user's own, given as a function without arguments: its dropouts found, set and tried out."""

import hashlib
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

import thinned.torch
from thinned.errors import ConfigurationError
from thinned.lab.data import Data, load
from thinned.lab.own import Examples, TorchTask

METHODS = ("Dropout", "GaussianDropout", "UniformDropout", "AlphaDropout", "BatchDropout")
"""What may stand in the place of a dropout layer with nothing but a rate."""

LR = 1e-3
"""Adam's, where nobody says: the default of its authors, which serves most models that no one here has seen."""

TRIED = 2
"""Examples that a model is tried on before anything is trained."""


def rated(make: Callable[..., nn.Module], rate: float, method: str = "Dropout") -> nn.Module:
    """A model whose every dropout has one rate, by one method.

    Set are the rate of each dropout layer, plain, spatial or alpha, and the `dropout` of `nn.MultiheadAttention`
    and of recurrent layers. Drop path, which leaves whole branches out, is left as it is. Another method than
    "Dropout" takes the place of the layers; inside attention and recurrent layers there is no place, and dropout
    stays. Where `make` has an argument `rate` it is called with it, and which layers get it is its own affair.

    Args:
        make: a factory.
        rate: of every dropout.
        method: one of `METHODS`.

    Example:
        >>> model = rated(lambda: nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.1)), 0.5, "GaussianDropout")
        >>> model[1]
        GaussianDropout(p=0.5)
    """
    asked = takes_rate(make)
    model: Any = make(rate=rate) if asked else make()
    if not isinstance(model, nn.Module):
        raise ConfigurationError(f"expected a torch.nn.Module; got {type(model).__name__}. Return the model.")
    if not asked:
        for module in model.modules():
            if _drops(module):
                module.p = rate
            elif isinstance(module, nn.MultiheadAttention | nn.RNNBase):
                module.dropout = rate
    return model if method == "Dropout" else _with(model, getattr(thinned.torch, method))


def _with(model: nn.Module, layer: Callable[[float], nn.Module]) -> nn.Module:
    """Another layer in the place of each dropout layer, at its rate."""
    if _drops(model):
        return layer(model.p)
    rules = {name: layer(each.p) for name, each in model.named_modules() if _drops(each)}
    thinned.torch.convert(model, rules)
    return model


def _drops(module: nn.Module) -> TypeGuard[_DropoutNd]:
    """Whether it is a dropout layer; ours for drop path has PyTorch's base class too."""
    return isinstance(module, _DropoutNd) and not isinstance(module, thinned.torch.DropPath)


def takes_rate(make: Callable[..., Any]) -> bool:
    """Whether a factory asks for the rate itself."""
    return "rate" in _parameters(make)


def dropouts(model: nn.Module) -> list[str]:
    """The names of the places that `rated` sets.

    A recurrent layer alone has none: PyTorch drops between layers only.
    """
    return [
        name
        for name, each in model.named_modules()
        if _drops(each)
        or isinstance(each, nn.MultiheadAttention)
        or (isinstance(each, nn.RNNBase) and each.num_layers > 1)
    ]


def task_on(
    make: Callable[..., nn.Module], data: str | Data, *, named: str = "make", data_dir: str | None = None,
    epochs: int = 10, batch: int = 64, lr: float = LR, optimiser: str = "adam",
) -> TorchTask:  # fmt: skip
    """Training of a user's classifier on data by name or path, its dropouts set by each arm's `rate` and `method`.

    The model is made and tried on two examples first, so that what cannot work is said before anything is trained.

    Args:
        make: without arguments, or with `rate`, to a fresh `nn.Module` from examples to logits, axes
            (example, class).
        data: a name, a path, or loaded.
        named: what the user called the factory, for errors.
        data_dir: where Fashion-MNIST's archives lie.
        epochs: passes over the training examples.
        batch: examples in a minibatch.
        lr: learning rate.
        optimiser: "adam" or "sgd".

    Raises:
        ConfigurationError: no such factory, a model without dropout, outputs of another shape, probabilities in
            the place of logits.
        DataError: data that no study can use.

    Example:
        >>> def make():
        ...     return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 10))
        >>> task_on(make, "digits", epochs=1).run({"settings": {"rate": 0.1}}, seed=0).status
        'finished'
    """
    found = load(data, data_dir) if isinstance(data, str) else data
    if not 0 < lr < float("inf"):
        raise ConfigurationError(f"expected a learning rate above 0; got {lr}.")
    kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    if optimiser not in kinds:
        raise ConfigurationError(f"expected an optimiser, {' or '.join(kinds)}; got {optimiser!r}.")
    check_model(make, named, found)
    return TorchTask(
        make=partial(rated, make),
        train=_tensors(found.train_x, found.train_y),
        test=_tensors(found.test_x, found.test_y),
        optimiser=partial(kinds[optimiser], lr=lr),
        epochs=epochs,
        batch=batch,
        name=found.name,
        source=found.source,
        version=file_digest(make),
    )


def _tensors(x: Any, y: Any) -> Examples:
    return torch.from_numpy(x), torch.from_numpy(y)


def file_digest(make: Any) -> str:
    """Of the file that a factory was written in, mostly with its model's classes; empty where there is none."""
    try:
        path = inspect.getsourcefile(make if inspect.isroutine(make) or inspect.isclass(make) else type(make))
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if path else ""
    except (OSError, TypeError):
        return ""


def check_model(make: Any, named: str, data: Data) -> None:
    """Make a user's model once and try it.

    Raises:
        ConfigurationError: see `task_on`.
    """
    model = _made(make, named)
    if not takes_rate(make) and not dropouts(model):
        raise ConfigurationError(
            f"expected a model with dropout, whose rate can be set; got a {type(model).__name__} without any from "
            f"{named}. None is put in unasked, since where it stands is a part of the model: add nn.Dropout() "
            "where you want it, or let the factory take the rate: def make(rate): ..."
        )
    x = torch.from_numpy(data.train_x[:TRIED])
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            outputs = model.eval()(x)
    except Exception as error:
        raise ConfigurationError(
            f"expected a model that takes examples of shape {_shape(x)} in {x.dtype}, the first axis being the "
            f"example; {named}'s raised {type(error).__name__}: {error}. Reshape them in its forward, or give the "
            "data another shape."
        ) from error
    _check_outputs(outputs, named, len(x), len(data.classes))


def _made(make: Any, named: str) -> nn.Module:
    if isinstance(make, nn.Module):
        raise ConfigurationError(
            f"expected a function that makes a fresh model; {named} is a model, {type(make).__name__}, which every "
            "run would go on training. Write def make(): return ... and name that."
        )
    if not callable(make):
        raise ConfigurationError(f"expected a function that makes a model; {named} is {type(make).__name__}.")
    wanted = [
        name
        for name, each in _parameters(make).items()
        if each.default is each.empty
        and each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}
        and name != "rate"
    ]
    if wanted:
        raise ConfigurationError(
            f"expected a function without arguments, or with rate alone; {named} takes {', '.join(wanted)}. Give "
            "them defaults, or name a function that calls it."
        )
    try:
        with torch.random.fork_rng(devices=[]):
            model = rated(make, 0.5)
    except ConfigurationError as error:
        raise ConfigurationError(f"{named} gave none: {error}") from None
    except Exception as error:
        raise ConfigurationError(
            f"expected a torch.nn.Module from {named}; calling it raised {type(error).__name__}: {error}."
        ) from error
    return model


def _parameters(make: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(make).parameters)
    except (TypeError, ValueError):  # written in C
        return {}


def _check_outputs(outputs: Any, named: str, examples: int, classes: int) -> None:
    if not isinstance(outputs, torch.Tensor):
        raise ConfigurationError(
            f"expected a tensor of logits, axes (example, class), from {named}'s model; got "
            f"{type(outputs).__name__}. Return the logits alone."
        )
    if outputs.dim() != 2 or len(outputs) != examples or outputs.shape[1] < classes:
        raise ConfigurationError(
            f"expected logits of shape ({examples}, {classes}), axes (example, class), for {examples} examples of "
            f"data with {classes} classes; {named}'s model gave {_shape(outputs)}."
        )
    if classes > 1 and bool((outputs >= 0).all()) and torch.allclose(outputs.sum(1), torch.ones(examples)):
        raise ConfigurationError(
            f"expected logits from {named}'s model; got probabilities, which sum to 1. The loss is cross-entropy, "
            "which takes the softmax itself: leave the model's last one out."
        )


def _shape(tensor: torch.Tensor) -> str:
    return str(tuple(tensor.shape))
