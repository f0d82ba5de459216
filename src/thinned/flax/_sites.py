"""The table of a model's sites."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn
from flax import nnx

from thinned.flax._bind import site_layers, unbind
from thinned.flax._notes import Note, thread
from thinned.mask.address import site_id
from thinned.methods.site import Site, Sites, check_names, use_name


def sites(model: Any, *inputs: Any) -> Sites:
    """Name, site id, rate and mask shape of every layer of ours in a model, bound or to be bound.

    Args:
        model: an NNX module, a Linen module, or what `bind` made of one.
        *inputs: of one call. With them the call is followed without drawing anything or taking a step, and the
            masks' shapes and repeated uses are known. A Linen module has no layers before it is called, so there
            they are needed.

    Raises:
        BindError: two layers would draw alike.
        TypeError: a Linen module without inputs.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> model = nnx.Sequential(nnx.Linear(4, 8, rngs=nnx.Rngs(0)), thinned.flax.Dropout(0.5))
        >>> print(thinned.flax.sites(model, jnp.ones((2, 4))))
        name           site  rate  mask shape
        layers.1  970893962   0.5  (2, 8)
    """
    if not isinstance(model, nnx.Module):
        return _of_linen(getattr(model, "module", model), inputs)
    layers = site_layers(model)
    if not inputs:
        return Sites(Site(name, site_id(name), float(layer.rate)) for name, layer in layers.items())
    copy = nnx.clone(model)
    names = {id(layer): name for name, layer in site_layers(copy).items()}
    unbind(copy)
    copy.eval()  # type: ignore[no-untyped-call]
    notes = _noted(lambda: copy(*inputs))
    return _table([(names.get(id(note.layer), "?"), note) for note in notes])


def _of_linen(module: nn.Module, inputs: tuple[Any, ...]) -> Sites:
    if not inputs:
        raise TypeError(
            "expected the inputs of one call of a Linen module, which has no layers before; got none."
        )
    keys = {name: jax.random.key(0) for name in ("params", "dropout")}
    notes = _noted(lambda: jax.eval_shape(lambda: module.init(keys, *inputs)))
    check_names({note.layer: note.name for note in notes}.values())
    return _table([(note.name, note) for note in notes])


def _noted(call: Callable[[], object]) -> list[Note]:
    """What a call meets, with each layer letting everything through."""
    found: list[Note] = []
    thread.notes = found
    try:
        call()
    finally:
        thread.notes = None
    return found


def _table(notes: list[tuple[str, Note]]) -> Sites:
    uses: Counter[str] = Counter()
    lines = []
    for name, note in notes:
        used = use_name(name, uses[name])
        uses[name] += 1
        lines.append(Site(used, site_id(used), float(note.rate), note.mask_shape))
    return Sites(lines)
