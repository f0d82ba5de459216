"""The table of a model's sites."""

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from flax import nnx

from thinned.flax._bind import site_layers, step_of, unbind
from thinned.flax._kinds import stated
from thinned.flax._notes import Note, thread
from thinned.flax._scopes import Call, entered
from thinned.mask.address import site_id
from thinned.methods.site import Site, Sites, check_names, part_name, use_name

_looks = count()
"""What tells a look from all others and from calls: a part that is compiled in it must serve nothing else."""


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
        step = step_of(model)
        lines = [
            (part_name(name, part), stated(layer.amount_of(part), step))
            for name, layer in layers.items()
            for part in layer.parts
        ]
        return Sites(Site(name, site_id(name), rate) for name, rate in lines)
    step = step_of(model)
    copy = nnx.clone(model)
    unbind(copy)
    look = next(_looks)
    for name, layer in site_layers(copy).items():
        layer.bound_name, layer.look = name, look
    copy.eval()  # type: ignore[no-untyped-call]
    return _table(_noted(lambda: copy(*inputs)), step)


def _of_linen(module: nn.Module, inputs: tuple[Any, ...]) -> Sites:
    if not inputs:
        raise TypeError(
            "expected the inputs of one call of a Linen module, which has no layers before; got none."
        )
    keys = {name: jax.random.key(0) for name in ("params", "dropout")}
    method = entered(module, None, Call(has_step=True, mark=f"?{next(_looks)}"), np.zeros(3, np.uint32))
    notes = _noted(lambda: jax.eval_shape(lambda: module.init(keys, *inputs, method=method)))
    check_names({note.layer: note.name for note in notes}.values())
    return _table(notes)


def _noted(call: Callable[[], object]) -> list[Note]:
    """What a call meets, with each layer letting everything through."""
    found: list[Note] = []
    thread.notes = found
    try:
        call()
    finally:
        thread.notes = None
    return found


def _table(notes: list[Note], step: int = 0) -> Sites:
    uses: Counter[str] = Counter()
    lines = []
    for note in notes:
        used = use_name(note.name, uses[note.name])
        uses[note.name] += 1
        lines.append(Site(used, site_id(used), stated(note.rate, step), note.mask_shape))
    return Sites(lines)
