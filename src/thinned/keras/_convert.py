"""Swap a model's dropout layers for ours, in place, and say what could not be swapped."""

import inspect
from collections.abc import Iterable
from types import FunctionType
from typing import Any, SupportsIndex

import keras

from thinned.keras._bind import attach, binding_of
from thinned.keras._binding import site_layers
from thinned.keras._names import check_model, walk
from thinned.keras._swap import COUNTERPARTS, check_amount, stated, swap
from thinned.mask.address import seed64
from thinned.methods.conversion import Report, check_no_rules, drawn_by

_FUNCTIONS = {"dropout", "stateless_dropout", "alpha_dropout", "Dropout", "bernoulli", "stateless_uniform"}


def convert(model: Any, seed: SupportsIndex | None = None) -> Report:
    """Swap every layer of a model that draws for ours, in place.

    Those are Keras' `Dropout`, `SpatialDropout1D`, `2D` and `3D`, `AlphaDropout`, `GaussianDropout` and
    `GaussianNoise`.

    A layer stays the same object with another class: its name, rate, generator and every reference to it hold,
    and so do the weights and `isinstance(layer, keras.layers.Dropout)`. That includes the layers that Keras' own
    make for themselves, as `MultiHeadAttention` does, when the model is built.

    Args:
        model: any Keras model or layer; built, or its layers may not exist yet.
        seed: with one, the model is bound as well; see `bind`.

    Returns:
        A report: what was swapped, and what draws in a way that no layer can replace (recurrent layers, functions
        that a layer calls). Print it.

    Raises:
        RateError: a layer whose rate no threshold stands for; nothing is swapped then.
        AddressError: a seed outside its width.
        BindError: two layers would draw alike, with a seed.
        TypeError: rules, which PyTorch's `convert` takes, in the place of a seed.

    Example:
        >>> import keras, thinned.keras
        >>> model = keras.Sequential([keras.layers.Dense(8), keras.layers.Dropout(0.1, name="drop")])
        >>> print(thinned.keras.convert(model, seed=0))
        swapped 1, left 0
          drop: Dropout(rate=0.1)
    """
    check_model(model)
    check_no_rules(seed)
    found = [(name, layer) for name, layer in walk(model) if type(layer) in COUNTERPARTS]
    for _, layer in found:
        check_amount(layer)
    if seed is not None:
        seed64(seed)
    report = Report()
    for name, layer in found:
        swap(layer)
        report.swapped[name] = stated(layer)
    for name, layer in walk(model):
        reason = _why_left(layer)
        if reason is not None:
            report.left[name] = reason
    binding = binding_of(model)
    if seed is not None:
        attach(model, seed)
    elif binding is not None:
        binding.join(binding.unclaimed(site_layers(model)))
    return report


def _why_left(layer: Any) -> str | None:
    """Why a layer's own draws stay Keras'; None where it makes none."""
    kind = type(layer).__name__
    if hasattr(type(layer), "is_thinned"):
        return None
    if isinstance(layer, tuple(COUNTERPARTS)):
        return (
            f"{kind} is a class of its own, with its own draws; make it a subclass of thinned.keras.layers'"
        )
    if isinstance(layer, keras.layers.RNN):
        return None  # its cell is a layer too
    for name in ("dropout", "recurrent_dropout"):
        if hasattr(layer, "recurrent_dropout") and getattr(layer, name):
            return f"{kind}({name}={getattr(layer, name)}) draws by itself; use a layer before it instead"
    if isinstance(layer, keras.layers.Attention) and layer.dropout:
        return f"{kind}(dropout={layer.dropout}) draws by itself; MultiHeadAttention has a layer for it"
    if isinstance(layer, keras.layers.Lambda):
        return _calls([layer.function])
    cls = getattr(type(layer), "_base", type(layer))  # the class that the user wrote
    return _calls(_methods(cls)) if _is_users(cls) else None


def _calls(functions: Iterable[Any]) -> str | None:
    calls = sorted({name for each in functions for name in drawn_by(each, _FUNCTIONS, _is_layer)})
    return f"calls {', '.join(calls)}; use a layer of thinned.keras.layers there" if calls else None


def _methods(cls: type) -> Iterable[FunctionType]:
    """`call`, and the methods of the user's that it names, or that they name."""
    found: dict[str, FunctionType] = {}
    names = ["call"]
    while names:
        name = names.pop()
        method = inspect.unwrap(getattr(cls, name, None))  # type: ignore[arg-type]
        if name not in found and isinstance(method, FunctionType) and _is_users(method):
            found[name] = method
            names.extend(method.__code__.co_names)
    return found.values()


def _is_users(value: Any) -> bool:
    return bool(value.__module__.partition(".")[0] != "keras")


def _is_layer(value: Any) -> bool:
    return isinstance(value, keras.Layer)
