"""From a stranger's object to a subject: what it is, how it is made at a rate, and how it is called."""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from thinned.conformance.adapters.functions import function_subject
from thinned.conformance.claim import METHODS
from thinned.conformance.guess import FUNCTIONS, KINDS, is_factory, kind_of, made_by
from thinned.conformance.runtime import Runtime
from thinned.conformance.signature import ROLES, making
from thinned.conformance.subject import Subject
from thinned.errors import SubjectError

__all__ = ["Adapted", "adapt", "runtime_of"]

_RUNTIMES = {"torch": "Torch", "jax": "Jax", "tensorflow": "TensorFlow", "mxnet": "MXNet", "numpy": ""}
_LAYERS = {
    "torch-module": ("modules", "module_subject"),
    "nnx-module": ("flax", "nnx_subject"),
    "linen-module": ("flax", "linen_subject"),
    "equinox-module": ("equinox", "equinox_subject"),
    "keras-layer": ("keras", "keras_subject"),
    "gluon-block": ("mxnet", "gluon_subject"),
}
_LAST = {"keras-layer", "nnx-module", "linen-module"}
"""Kinds whose channels are last by custom."""

_LIKE = {
    "SpatialDropout1D": "Dropout1d",
    "SpatialDropout2D": "Dropout2d",
    "SpatialDropout3D": "Dropout3d",
    "SpatialDropout1d": "Dropout1d",
    "SpatialDropout2d": "Dropout2d",
    "SpatialDropout3d": "Dropout3d",
    "VariationalDropout": "LockedDropout",
    "DropBlock1D": "DropBlock1d",
    "DropBlock2D": "DropBlock2d",
    "DropBlock3D": "DropBlock3d",
    "DropPath1D": "DropPath",
    "drop_path": "DropPath",
    "alpha_dropout": "AlphaDropout",
    "feature_alpha_dropout": "FeatureAlphaDropout",
    "gaussian_dropout": "GaussianDropout",
    "gaussian_noise": "GaussianNoise",
    "uniform_dropout": "UniformDropout",
    "dropout1d": "Dropout1d",
    "dropout2d": "Dropout2d",
    "dropout3d": "Dropout3d",
}
"""Other names that methods of the catalogue go by."""


@dataclass(frozen=True)
class Adapted:
    """A subject, and what its object says of its claim.

    Args:
        subject: for the checks.
        method: of the catalogue, guessed from its name.
        rate: the only one that it has; None: any.
        channels_last: whether its channels are last by custom.
    """

    subject: Subject
    method: str
    rate: float | None
    channels_last: bool


def adapt(
    thing: Any,
    *,
    kind: str | None = None,
    rate: float | None = None,
    train: Callable[..., Any] | None = None,
    evaluate: Callable[..., Any] | None = None,
    seed: Callable[[int], Any] | None = None,
    nan: str | None = None,
) -> Adapted:
    """A subject from anything that `verify` takes.

    Raises:
        SubjectError: what it is cannot be told, or what is stated cannot be.
    """
    if nan not in {None, "zero", "propagates"}:
        raise SubjectError(f"expected nan= as 'zero' or 'propagates'; got {nan!r}.")
    if kind is not None and kind not in KINDS:
        raise SubjectError(f"expected kind= as one of {', '.join(KINDS)}; got {kind!r}.")
    kind = kind_of(thing) if kind is None else kind
    name, ours = _name(thing), _is_ours(thing)
    if kind.endswith("-function"):
        if train is not None or evaluate is not None:
            raise SubjectError(
                "expected train= and evaluate= for a layer; a function is called as it is: wrap it."
            )
        runtime = _seeded(runtime_of(kind.removesuffix("-function")), seed)
        subject = function_subject(thing, runtime, kind=kind, name=name, ours=ours)
    else:
        make, rate, lacks = maker(thing, rate)
        file, function = _LAYERS[kind]
        adapter = getattr(importlib.import_module(f"thinned.conformance.adapters.{file}"), function)
        subject = adapter(make, kind=kind, name=name, ours=ours, lacks=lacks, train=train, evaluate=evaluate)
        _seeded(subject.runtime, seed)
    if rate is not None and "rates" not in subject.lacks:
        subject = replace(subject, lacks={**subject.lacks, "rates": f"the rate {rate:g} was stated"})
    last = name.rpartition(".")[2].partition("(")[0]
    method = _LIKE.get(last, last if last in METHODS else "Dropout")
    return Adapted(replace(subject, nan=nan), method, rate, kind in _LAST)


def runtime_of(framework: str) -> Runtime:
    """The framework as the checks see it; opens no other."""
    if framework not in FUNCTIONS:
        raise SubjectError(f"expected a framework of {', '.join(FUNCTIONS)}; got {framework!r}.")
    if framework == "numpy":
        return Runtime()
    room = importlib.import_module(f"thinned.conformance.adapters.{framework}")
    made: Runtime = getattr(room, _RUNTIMES[framework])()
    return made


def maker(thing: Any, rate: float | None) -> tuple[Callable[[float], Any], float | None, dict[str, str]]:
    """What makes a layer at a rate, the only rate where there is one, and what it lacks."""
    if inspect.isclass(thing):
        word = _rate_word(thing)

        def made(p: float, **more: Any) -> Any:
            return thing(**{word: 1 - p if word.lower() in ROLES["keep"] else p}, **more)

        return made, rate, {}
    if not _is_layer(thing) and callable(thing) and is_factory(thing):
        if inspect.signature(thing).parameters:
            return (lambda p: made_by(thing, p)), rate, {}
        return (lambda p: thing()), *_only(thing(), rate)
    return (lambda p: _copied(thing)), *_only(thing, rate)


def _only(layer: Any, rate: float | None) -> tuple[float, dict[str, str]]:
    """The rate of a layer that has one."""
    found = rate if rate is not None else _rate_of(layer)
    if found is None:
        raise SubjectError(
            f"expected a layer that says its rate, in one of {', '.join(sorted(ROLES['rate']))}; "
            f"{type(layer).__qualname__} does not. State rate=."
        )
    return found, {
        "rates": f"a layer has one rate, here {found:g}; give its class, or a function of the rate"
    }


def _rate_of(layer: Any) -> float | None:
    for name in sorted(ROLES["rate"]):
        value = getattr(layer, name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    for name in sorted(ROLES["keep"]):
        value = getattr(layer, name, None)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return 1 - float(value)
    return None


def _rate_word(cls: Any) -> str:
    """The name of the constructor's rate."""
    given = making(cls).parameters
    for name, each in given.items():
        if name.lower() in ROLES["rate"] | ROLES["keep"] and each.kind is not each.POSITIONAL_ONLY:
            return name
    raise SubjectError(
        f"expected {cls.__qualname__} to be made from a rate, called one of {', '.join(sorted(ROLES['rate']))}; "
        f"got {cls.__qualname__}{making(cls)}. Give a function that makes it: `lambda rate: ...`."
    )


def _copied(layer: Any) -> Any:
    import copy

    return copy.deepcopy(layer)


def _is_layer(thing: Any) -> bool:
    return not inspect.isroutine(thing) and not hasattr(thing, "func")


def _seeded(runtime: Runtime, seed: Callable[[int], Any] | None) -> Runtime:
    """The runtime, which also seeds what is stated."""
    if seed is not None:
        own = runtime.seed

        def both(n: int) -> None:
            own(n)
            seed(n)

        runtime.seed = both  # type: ignore[method-assign]
    return runtime


def _name(thing: Any) -> str:
    name = getattr(thing, "__qualname__", None)
    if name is None:
        return f"{type(thing).__module__.partition('.')[0]}.{type(thing).__qualname__}"
    return f"{thing.__module__}.{name}".replace("<locals>.", "")


def _is_ours(thing: Any) -> bool:
    module = getattr(thing, "__module__", "") if hasattr(thing, "__qualname__") else type(thing).__module__
    return module.startswith("thinned.") and not module.startswith("thinned.conformance")
