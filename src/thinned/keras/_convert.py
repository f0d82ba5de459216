"""Swap a model's dropout layers for ours, in place, and say what could not be swapped."""

from typing import Any, SupportsIndex

import keras

from thinned.errors import BindError
from thinned.keras._bind import attach, binding_of
from thinned.keras._binding import site_layers
from thinned.keras._names import walk
from thinned.keras._swap import COUNTERPARTS, swap
from thinned.mask.address import seed64
from thinned.mask.rate import threshold
from thinned.methods.conversion import Report, drawn_by

_FUNCTIONS = {"dropout", "stateless_dropout", "alpha_dropout", "Dropout", "bernoulli", "stateless_uniform"}

_OTHERS = ("AlphaDropout", "GaussianDropout", "GaussianNoise")


def convert(model: Any, seed: SupportsIndex | None = None) -> Report:
    """Swap every `Dropout` and `SpatialDropout1D`, `2D` and `3D` of a model for ours, in place.

    A layer stays the same object with another class: its name, rate, generator and every reference to it hold,
    and so do the weights and `isinstance(layer, keras.layers.Dropout)`. That includes the layers that Keras' own
    make for themselves, as `MultiHeadAttention` does, when the model is built.

    Args:
        model: any Keras model or layer; built, or its layers may not exist yet.
        seed: with one, the model is bound as well; see `bind`.

    Returns:
        A report: what was swapped, and what draws in a way that no layer can replace (recurrent layers, other
        noise, functions that a layer calls). Print it.

    Raises:
        RateError: a layer whose rate no threshold stands for; nothing is swapped then.
        AddressError: a seed outside its width.
        BindError: two layers would draw alike, with a seed.

    Example:
        >>> import keras, thinned.keras
        >>> model = keras.Sequential([keras.layers.Dense(8), keras.layers.Dropout(0.1, name="drop")])
        >>> print(thinned.keras.convert(model, seed=0))
        swapped 1, left 0
          drop: Dropout(rate=0.1)
    """
    if not isinstance(model, keras.Layer):
        raise BindError(f"expected a Keras model or layer; got a {type(model).__name__}.")
    found = [(name, layer) for name, layer in walk(model) if type(layer) in COUNTERPARTS]
    for _, layer in found:
        threshold(layer.rate)
    if seed is not None:
        seed64(seed)
    report = Report()
    for name, layer in found:
        swap(layer)
        report.swapped[name] = f"{type(layer).__name__}(rate={layer.rate:g})"
    for name, layer in walk(model):
        reason = _why_left(layer)
        if reason is not None:
            report.left[name] = reason
    binding = binding_of(model)
    if seed is not None:
        attach(model, seed)
    elif binding is not None:
        binding.join(site_layers(model))
    return report


def _why_left(layer: Any) -> str | None:
    """Why a layer's own draws stay Keras'; None where it makes none."""
    kind = type(layer).__name__
    if hasattr(type(layer), "is_thinned"):
        return None
    if isinstance(layer, tuple(getattr(keras.layers, name) for name in _OTHERS)):
        return f"{kind} has no counterpart"
    if isinstance(layer, keras.layers.Dropout):
        return (
            f"{kind} is a class of its own, with its own draws; make it a subclass of thinned.keras.layers'"
        )
    if isinstance(layer, keras.layers.RNN):
        return None  # its cell is a layer too
    for name in ("dropout", "recurrent_dropout"):
        if hasattr(layer, "recurrent_dropout") and getattr(layer, name):
            return f"{kind}({name}={getattr(layer, name)}) draws by itself; use a layer before it instead"
    if type(layer).__module__.partition(".")[0] == "keras" or hasattr(type(layer), "_base"):
        return None
    calls = sorted(set(drawn_by(type(layer).call, _FUNCTIONS, _is_layer)))
    return f"calls {', '.join(calls)}; use a layer of thinned.keras.layers there" if calls else None


def _is_layer(value: Any) -> bool:
    return isinstance(value, keras.Layer)
