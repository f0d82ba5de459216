"""The names of layers, from their places in a model: what a site is called."""

import functools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.utils.naming import to_snake_case

from thinned.errors import BindError

_GRAPHS = ("Sequential", "Functional")


def check_model(model: Any) -> None:
    """Refuse what is no Keras model or layer.

    Raises:
        BindError: says what came.
    """
    if not isinstance(model, keras.Layer):
        raise BindError(f"expected a Keras model or layer; got a {type(model).__name__}.")


def walk(root: Any) -> Iterator[tuple[str, Any]]:
    """Every layer of a model once, with its path of names, joined by dots; the model itself has none.

    A layer's part is the name that the user gave. A name that Keras made up (`dropout_7`) says how many layers
    this process has built before, so it is replaced: by the attribute that holds the layer, as in PyTorch and
    NNX; or, in Sequential and Functional models, by the name it would have if nothing had been built before.
    """
    yield "", root
    yield from _below(root, "", {id(root)})


def _below(parent: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    for part, child in _parts(parent):
        if id(child) not in seen:
            seen.add(id(child))
            here = f"{path}.{part}" if path else part
            yield here, child
            yield from _below(child, here, seen)


def is_automatic(layer: Any) -> bool:
    """Whether a layer's name is, or looks like, one that Keras made up.

    Keras does not remember; our own layers do. A name that begins to count at 0 is none of Keras'.
    """
    known = vars(layer).get("_has_automatic_name")
    return _looks_automatic(layer, layer.name) if known is None else bool(known)


def _looks_automatic(layer: Any, name: str) -> bool:
    return re.fullmatch(re.escape(to_snake_case(type(layer).__name__)) + r"(_[1-9]\d*)?", name) is not None


def _is_automatic_in(parent: Any, child: Any) -> bool:
    """The same, of a layer below `parent`, which may have put something before a name."""
    if isinstance(parent, keras.layers.Bidirectional):
        name = re.sub("^(forward|backward)_", "", child.name)
        return is_automatic(child) or _looks_automatic(child, name)
    return is_automatic(child)


def _parts(parent: Any) -> Iterator[tuple[str, Any]]:
    """The layers right below one, with their parts of the path."""
    listed = list(parent.layers) if parent._obj_type() in _GRAPHS else []
    inside = {id(child) for child in listed}
    held = {id(child): place for place, child in reversed(list(_attributes(parent)))}
    others = [child for child in parent._layers if id(child) not in inside and child is not _graph(parent)]
    taken = {child.name for child in (*listed, *others) if not _is_automatic_in(parent, child)}
    counts: Counter[str] = Counter()
    for child in (*listed, *others):
        if not _is_automatic_in(parent, child):
            yield child.name, child
        elif id(child) in held and id(child) not in inside:
            yield held[id(child)], child
        else:
            yield _numbered(to_snake_case(type(child).__name__), counts, taken), child


def _graph(parent: Any) -> Any:
    """The functional model that a Sequential keeps of itself."""
    return vars(parent).get("_functional") or vars(parent).get("_modules", {}).get("_functional")


def _numbered(prefix: str, counts: Counter[str], taken: set[str]) -> str:
    """The next of `dropout`, `dropout_1`, ... that no sibling was given as its name."""
    while True:
        number = counts[prefix]
        counts[prefix] += 1
        name = f"{prefix}_{number}" if number else prefix
        if name not in taken:
            return name


def _attributes(parent: Any) -> Iterator[tuple[str, Any]]:
    """The layers that a layer's own attributes hold, with the attributes' paths."""
    # On PyTorch, layers are modules, which their owner keeps apart from its other attributes.
    own = {**vars(parent), **vars(parent).get("_modules", {})}
    for name, value in own.items():
        if name not in _bookkeeping() and not name.startswith("_self_"):  # as TensorFlow calls its own
            yield from _held(name, value)


def _held(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, keras.Layer):
        yield place, value
    elif isinstance(value, (list, tuple)):
        for number, each in enumerate(value):
            yield from _held(f"{place}.{number}", each)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _held(f"{place}.{key}", each)


@functools.cache
def _bookkeeping() -> set[str]:
    """Keras' own attributes. Made late: the first layer of a process settles Keras' dtype policy."""
    return {*vars(keras.Layer(name="thinned")), "_functional", "_operations", "_modules"}
