"""The blocks of a network: by their paths, those of ours among them, and the graphs that hold them."""

import gc
from collections.abc import Iterator
from typing import Any

from mxnet import gluon

from thinned.errors import BindError
from thinned.methods.site import check_names


def check_block(net: Any) -> None:
    """Refuse what is no Gluon block.

    Raises:
        BindError: says what came.
    """
    if not isinstance(net, gluon.Block):
        raise BindError(f"expected a Gluon block; got {net!r:.80} of type {type(net).__name__}.")


def named_blocks(net: Any) -> Iterator[tuple[str, Any]]:
    """Every block once, with its path: the names that Gluon's containers and attributes give, with dots."""
    seen: set[int] = set()

    def walk(path: str, block: Any) -> Iterator[tuple[str, Any]]:
        if id(block) in seen:
            return
        seen.add(id(block))
        yield path, block
        for name, child in block._children.items():
            yield from walk(f"{path}.{name}" if path else name, child)

    return walk("", net)


def ours(net: Any) -> Iterator[tuple[str, Any]]:
    """The layers of ours among them."""
    return ((name, block) for name, block in named_blocks(net) if hasattr(type(block), "is_thinned"))


def site_layers(net: Any) -> dict[str, Any]:
    """The layers of ours in a network, by the names of their sites.

    Raises:
        BindError: two of them would draw alike, or what came is no block.
    """
    check_block(net)
    found = [(name if layer.site is None else layer.site, layer) for name, layer in ours(net)]
    check_names(name for name, _ in found)
    return dict(found)


def forget_graphs(net: Any) -> None:
    """Have hybridised blocks make their graphs anew, those inside and those around: they hold other draws.

    A block does not know what it is part of, so those around are looked for among all that live.
    """
    inside = {id(block) for _, block in named_blocks(net)}
    kinds = set(_kinds(gluon.HybridBlock))
    for each in [found for found in gc.get_objects() if type(found) in kinds]:
        if each.__dict__.get("_cached_graph") and any(id(block) in inside for _, block in named_blocks(each)):
            each._clear_cached_op()


def _kinds(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)
