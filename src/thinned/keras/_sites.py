"""The table of a model's sites."""

from collections import Counter
from collections.abc import Iterator
from inspect import signature
from typing import Any

import keras
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

from thinned.keras._bind import binding_of
from thinned.keras._binding import site_layers
from thinned.keras._names import check_model
from thinned.mask.address import site_id
from thinned.methods.site import Site, Sites, part_name, use_name


def sites(model: Any, *inputs: Any) -> Sites:
    """Name, site id, rate and mask shape of every layer of ours in a model, bound or to be bound.

    Args:
        model: any Keras model or layer.
        *inputs: of one call; with them the model is run once in evaluation, which takes no step. Without them the
            shapes are those of the model's graph, where it has one, `?` for the size of the batch.

    Raises:
        BindError: no Keras model or layer, or two layers that would draw alike.

    Example:
        >>> import keras, thinned.keras
        >>> layers = [keras.Input((4,)), keras.layers.Dense(8), thinned.keras.layers.Dropout(0.5, name="drop")]
        >>> print(thinned.keras.sites(keras.Sequential(layers)))
        name        site  rate  mask shape
        drop  3437825753   0.5  (?, 8)
    """
    check_model(model)
    binding = binding_of(model)
    layers = site_layers(model) if binding is None else binding.held
    names = {id(layer): name for name, layer in layers.items()}
    calls = _seen(model, inputs, layers) if inputs else list(_graph_calls(model, frozenset(names)))
    step = 0 if binding is None else binding.address.step
    uses: Counter[str] = Counter()
    found: list[Site] = []
    for layer, shape in calls:
        name = names[id(layer)]
        found += _sites(name, layer, shape, step, uses[name])
        uses[name] += 1
    if not inputs:
        for name, layer in layers.items():
            found += [] if name in uses else _sites(name, layer, None, step)
    return Sites(found)


def _sites(
    name: str, layer: Any, shape: tuple[int | None, ...] | None, step: int, use: int = 0
) -> Iterator[Site]:
    """One for each of a layer's draws, in a call on an input of this shape, where it is known."""
    masks = [None] * len(layer.parts) if shape is None else layer.mask_shapes(shape)
    for part, mask in zip(layer.parts, masks, strict=True):
        site = use_name(part_name(name, part), use)
        yield Site(site, site_id(site), layer.stated_rate(step), mask)


def _graph_calls(model: Any, ours: frozenset[int]) -> Iterator[tuple[Any, tuple[int | None, ...]]]:
    """Layers of ours and the shapes of their inputs, call by call, as far as graphs tell."""
    graph = getattr(model, "_functional", None) or model
    for nodes in _by_depth(graph):
        for node in nodes:
            layer = node.operation
            if id(layer) in ours:
                yield layer, tuple(node.input_tensors[0].shape)
            elif isinstance(layer, keras.Model):
                yield from _graph_calls(layer, ours)


def _by_depth(graph: Any) -> list[Any]:
    """The nodes of a functional model, from its inputs to its outputs; none of another."""
    nodes = getattr(graph, "_nodes_by_depth", {})
    return [nodes[depth] for depth in sorted(nodes, reverse=True)]


def _seen(model: Any, inputs: tuple[Any, ...], layers: dict[str, Any]) -> list[tuple[Any, Any]]:
    """The same, of one call."""
    found: list[tuple[Any, Any]] = []

    def watched(layer: Any) -> Any:
        def call(x: Any, *args: Any, **kwargs: Any) -> Any:
            if not in_symbolic_scope():  # a guess at shapes is no call
                found.append((layer, tuple(x.shape)))
            given = signature(type(layer).call).bind(layer, x, *args, **kwargs)
            given.arguments["training"] = False
            return type(layer).call(*given.args, **given.kwargs)

        return call

    for layer in layers.values():
        vars(layer)["call"] = watched(layer)
    try:
        model(*inputs, training=False)
    finally:
        for layer in layers.values():
            del vars(layer)["call"]
    return found
