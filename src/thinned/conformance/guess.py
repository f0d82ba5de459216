"""What a stranger's object is, guessed from its type, its signature and what its code names; or an error."""

import dis
import inspect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from thinned.conformance.signature import ROLES
from thinned.errors import SubjectError

BASES = {
    "keras.layers.Layer": "keras-layer",
    "flax.nnx.Module": "nnx-module",
    "flax.linen.Module": "linen-module",
    "equinox.Module": "equinox-module",
    "mxnet.gluon.Block": "gluon-block",
    "torch.nn.Module": "torch-module",
}
"""A base class, and the kind of what has it; Keras first, because its layers are also those of their backend."""

FUNCTIONS = ("torch", "jax", "tensorflow", "mxnet", "numpy")
KINDS = (*BASES.values(), *(f"{name}-function" for name in FUNCTIONS))

_PACKAGES = {"haiku": "jax", "flax": "jax", "equinox": "jax", "keras": "tensorflow", "d2l": "torch"}
"""Whose arrays a package of this name works on."""


def kind_of(thing: Any) -> str:
    """One of `KINDS`.

    Raises:
        SubjectError: it cannot be told; the message says what to state.

    Example:
        >>> import numpy as np
        >>> def f(x, rate):
        ...     return x * (np.random.rand(*x.shape) >= rate) / (1 - rate)
        >>> kind_of(f)
        'numpy-function'
    """
    kind = _kind_of_class(thing if inspect.isclass(thing) else type(thing))
    if kind:
        return kind
    if inspect.isclass(thing) or not callable(thing):
        raise SubjectError(
            "expected a function or a layer of PyTorch, JAX, Flax, Equinox, Keras, TensorFlow, MXNet or NumPy; "
            f"got {_named(thing)}. State kind= as one of {', '.join(KINDS)}, or wrap it in a function `f(x, rate)`."
        )
    if is_factory(thing):
        try:
            made = _kind_of_class(type(made_by(thing, 0.5)))
        except Exception as error:
            raise SubjectError(
                f"expected a function that makes a layer from a rate; {_named(thing)} raised {error!r}."
            ) from error
        if made:
            return made
    return f"{framework_of(thing)}-function"


def is_factory(thing: Any) -> bool:
    """Whether a function has no input: it makes a layer, from a rate or from nothing."""
    names = [
        each.name.lower()
        for each in inspect.signature(thing).parameters.values()
        if each.default is each.empty and each.kind not in {each.VAR_POSITIONAL, each.VAR_KEYWORD}
    ]
    return all(name in ROLES["rate"] | ROLES["keep"] for name in names) and len(names) <= 1


def made_by(factory: Callable[..., Any], rate: float) -> Any:
    """What a factory makes."""
    names = list(inspect.signature(factory).parameters)
    if not names:
        return factory()
    return factory(1 - rate if names[0].lower() in ROLES["keep"] else rate)


def framework_of(function: Callable[..., Any]) -> str:
    """Whose arrays a function works on, from the packages that its code names.

    Raises:
        SubjectError: none, or none that is known.
    """
    own = _framework(getattr(function, "__module__", "") or "")
    found = {own} if own else set(filter(None, map(_framework, _named_packages(function, set()))))
    for each in FUNCTIONS:
        if each in found:
            return each
    raise SubjectError(
        f"expected a function whose code shows its framework; {_named(function)} names none of "
        f"{', '.join(FUNCTIONS)}. State kind=, such as kind='numpy-function'."
    )


def _named_packages(function: Any, seen: set[int]) -> Iterator[str]:
    """Packages of the globals that its code and the functions it calls name."""
    function = inspect.unwrap(getattr(function, "func", function))
    call = function if hasattr(function, "__code__") else type(function).__call__
    code, scope = getattr(call, "__code__", None), getattr(call, "__globals__", {})
    if code is None or id(code) in seen:
        return
    seen.add(id(code))
    cells = inspect.getclosurevars(function).nonlocals if inspect.isfunction(function) else {}
    for name in _names(code):
        value = cells.get(name, scope.get(name))
        if inspect.ismodule(value):
            yield value.__name__
        elif value is not None:
            # A class of one's own is of the framework that it extends, as an autograd function is.
            for each in getattr(value, "__mro__", ()):
                yield each.__module__
            yield getattr(value, "__module__", None) or ""
            if inspect.isfunction(value):
                yield from _named_packages(value, seen)


def _names(code: CodeType) -> Iterator[str]:
    for each in dis.get_instructions(code):
        if each.opname in {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "IMPORT_NAME"}:
            yield str(each.argval)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _framework(module: str) -> str:
    first, _, rest = module.partition(".")
    if first == "thinned":
        first = rest.partition(".")[0]
    first = _PACKAGES.get(first, first)
    return first if first in FUNCTIONS else ""


def _kind_of_class(cls: type) -> str:
    for name, kind in BASES.items():
        package, _, last = name.rpartition(".")
        root = package.partition(".")[0]
        for base in cls.__mro__:
            if base.__name__ == last and base.__module__.partition(".")[0] == root and _fits(name, base):
                return kind
    return ""


def _fits(name: str, base: type) -> bool:
    """NNX's and Linen's classes have one name; the folder tells them apart."""
    part = name.split(".")[1]
    return part not in {"nnx", "linen"} or f".{part}." in f"{base.__module__}."


def _named(thing: Any) -> str:
    name = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    return f"{getattr(thing, '__module__', type(thing).__module__)}.{name}"
