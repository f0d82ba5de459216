"""Calls of a bound NNX model: the class keeps its identity, and its `__call__` looks whether the model is bound."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeAlias

_Calling: TypeAlias = Callable[[Any, Callable[[], Any]], Any]


@dataclass(frozen=True)
class Root:
    """What a bound model carries, so that a copy which another process unpickles is called as it should be.

    A class of its own for bound models would not do: it cannot be pickled, and to make it is to run the user's
    `__init_subclass__`.
    """

    kind: type
    calling: _Calling

    def __reduce__(self) -> Any:
        return _root, (self.kind, self.calling)


def mark(model: Any, calling: _Calling) -> None:
    """Have calls of a model go through `calling(model, run)`, as long as the model is marked."""
    model._thinned_root = _root(type(model), calling)


def unmark(model: Any) -> None:
    """Have calls go the direct way again."""
    del model._thinned_root


def _root(kind: type, calling: _Calling) -> Root:
    given = next((vars(base)["__call__"] for base in kind.__mro__ if "__call__" in vars(base)), None)
    if given is not None and not hasattr(given, "is_thinned_root"):
        setattr(kind, "__call__", _watching(given, calling))  # noqa: B010
    return Root(kind, calling)


def _watching(given: Any, calling: _Calling) -> Any:
    @wraps(given, updated=())
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = given.__get__(self, type(self)) if hasattr(given, "__get__") else given
        if "_thinned_root" not in vars(self):
            return bound(*args, **kwargs)
        return calling(self, lambda: bound(*args, **kwargs))

    call.is_thinned_root = True  # type: ignore[attr-defined]
    return call
