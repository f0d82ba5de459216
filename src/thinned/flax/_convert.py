"""Swap an NNX model's dropout layers for ours, in place, and say what could not be swapped."""

from typing import Any, SupportsIndex

from flax import nnx

from thinned.flax._bind import bind
from thinned.flax._drawing import Drawing
from thinned.flax._layers import Dropout
from thinned.mask.address import seed64
from thinned.mask.rate import threshold
from thinned.methods.conversion import Report, check_no_rules, drawn_by

_FUNCTIONS = {"bernoulli", "dot_product_attention"}


def convert(model: nnx.Module, seed: SupportsIndex | None = None) -> Report:
    """Swap every `nnx.Dropout` of a model for ours, in place.

    A layer stays the same object with another class: its rate, its keys, its mode and every reference to it hold.

    Args:
        model: any NNX module. (A Linen module is a recipe: write `thinned.flax.linen.Dropout` in it.)
        seed: with one, the model is bound as well; see `bind`.

    Returns:
        A report: what was swapped, and what draws in a way that no layer can replace. Print it.

    Raises:
        RateError: a layer whose rate no threshold stands for; nothing is swapped then.
        AddressError: a seed outside its width.
        TypeError: no NNX module; or rules, which PyTorch's `convert` takes, in the place of a seed.

    Example:
        >>> import thinned.flax
        >>> from flax import nnx
        >>> model = nnx.Sequential(nnx.Linear(4, 8, rngs=nnx.Rngs(0)), nnx.Dropout(0.1))
        >>> print(thinned.flax.convert(model, seed=0))
        swapped 1, left 0
          layers.1: Dropout(rate=0.1)
    """
    if not isinstance(model, nnx.Module):
        raise TypeError(
            f"expected a module of Flax NNX; got an object of type {type(model).__name__}. In a Linen module, "
            "write thinned.flax.linen.Dropout where flax.linen.Dropout stands."
        )
    modules = [(".".join(map(str, path)), each) for path, each in nnx.iter_graph(model)]
    check_no_rules(seed)
    found = [(name, each) for name, each in modules if type(each) is nnx.Dropout]
    for _, layer in found:
        threshold(layer.rate)
    if seed is not None:
        seed64(seed)
    report = Report()
    for name, layer in found:
        layer.__class__ = Dropout
        report.swapped[name] = f"Dropout(rate={layer.rate})"
    for name, each in modules:
        reason = _reason(each)
        if reason is not None:
            report.left[name] = reason
    if seed is not None:
        bind(model, seed)
    return report


def _reason(module: Any) -> str | None:
    """Why a module's own draws stay Flax's; None where it makes none."""
    if isinstance(module, Drawing):
        return None
    if isinstance(module, nnx.Dropout):
        return f"{type(module).__name__} is a subclass of nnx.Dropout; derive it from thinned.flax.Dropout"
    if isinstance(module, nnx.MultiHeadAttention):
        return "attention draws inside one function, by its own keys" if module.dropout_rate else None
    if not isinstance(module, nnx.Module) or type(module).__module__.startswith("flax."):
        return None
    is_layer = lambda it: isinstance(it, nnx.Module)  # noqa: E731
    calls = sorted(set(drawn_by(type(module).__call__, _FUNCTIONS, is_layer, owner=module)))
    return f"calls {', '.join(calls)}; use thinned.jax.dropout there" if calls else None
