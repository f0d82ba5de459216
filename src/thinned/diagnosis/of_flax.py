"""Flax models, of NNX and Linen: their layers, and two calls in each mode."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from flax import nnx

from thinned.diagnosis import structure
from thinned.diagnosis.finding import Finding, Layer
from thinned.diagnosis.inputs import Scale
from thinned.diagnosis.structure import Called, Structure
from thinned.errors import AuditError

_MODES = {"deterministic": False, "train": True, "training": True, "is_training": True}
"""What models call the mode, and what it is in training."""


def examine(
    model: Any,
    train_input: Any,
    eval_input: Any,
    pairs: list[tuple[Scale, Scale]],
    chosen: set[str],
    files: list[str],
) -> tuple[list[Finding], tuple[Layer, ...], dict[str, Any]]:
    """Findings, activations and facts of a Flax model; an NNX one's layers are known without an input."""
    linen = isinstance(model, nn.Module)
    if linen and train_input is None:
        raise AuditError(
            "expected an example input for a Linen module, which has no layers before a call; got none."
        )
    seen = Structure() if linen else Structure(layers=_dropouts(model), alike=_alike(model))
    if train_input is not None:
        seen_runs = _linen(model, train_input, eval_input) if linen else _nnx(model, train_input, eval_input)
        (first, calls), (second, _), (third, evaluated), (fourth, _) = seen_runs
        seen.train, seen.evaluation = calls, evaluated
        seen.train_repeats, seen.evaluation_repeats = (
            structure.same(first, second),
            structure.same(third, fourth),
        )
    if linen:
        seen.layers = [each for each in seen.train if each.rate is not None]
    found = [finding for finding in structure.findings(seen) if finding.rule in chosen]
    facts = {"dropouts": len(seen.layers), "calls": len(seen.train), "read": "structure"}
    return found, structure.layers(seen), facts


_Run = tuple[Any, list[Called]]


def _nnx(model: Any, train_input: Any, eval_input: Any) -> list[_Run]:
    """Two calls in each mode of a copy, whose keys go on from call to call."""
    runs = []
    for training, example in ((True, train_input), (False, eval_input)):
        copy = nnx.clone(model)
        copy.train() if training else copy.eval()
        names = {id(module): ".".join(map(str, path)) for path, module in nnx.iter_modules(copy)}
        for _ in range(2):
            calls: list[Called] = []
            with _noting(copy, names, calls):
                runs.append((_call(copy, example, training), calls))
    return runs


@contextmanager
def _noting(model: Any, names: dict[int, str], calls: list[Called]) -> Iterator[None]:
    """Within it, calls of a model's innermost modules are noted: the class's `__call__` is another one."""
    inner = {id(module) for _, module in nnx.iter_modules(model) if not _children(module)}
    with ExitStack() as stack:
        for cls in {type(module) for _, module in nnx.iter_modules(model) if id(module) in inner}:
            if "__call__" in vars(cls):
                stack.callback(setattr, cls, "__call__", cls.__call__)
                setattr(cls, "__call__", _wrapped(cls.__call__, names, inner, calls))  # noqa: B010 - a method's place
        yield


def _wrapped(
    original: Callable[..., Any], names: dict[int, str], inner: set[int], calls: list[Called]
) -> Any:
    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        output = original(self, *args, **kwargs)
        if id(self) in inner:
            called = _called(names[id(self)], self)
            called.moments = structure.moments(output)
            calls.append(called)
        return output

    return noting


def _children(module: Any) -> list[Any]:
    found = [value for path, value in nnx.iter_modules(module) if path]
    return [value for value in found if not isinstance(value, (nnx.Rngs, nnx.RngStream))]


def _dropouts(model: Any) -> list[Called]:
    found = (_called(".".join(map(str, path)), module) for path, module in nnx.iter_modules(model))
    return [each for each in found if each.rate is not None]


def _alike(model: Any) -> list[tuple[list[str], str]]:
    """Dropouts whose streams are other objects in the same state: made of `nnx.Rngs(0)` twice."""
    keys, seen = [], set()
    for path, module in nnx.iter_modules(model):
        stream = getattr(module, "rngs", None)
        if not isinstance(stream, nnx.RngStream) or id(stream) in seen or not _rate(module):
            continue
        seen.add(id(stream))
        key = np.asarray(jax.random.key_data(stream.key[...])).tobytes()
        keys.append((".".join(map(str, path)), (key, int(stream.count[...]))))
    return [(names, "have streams with the same key and count") for names in structure.alike(keys)]


def _linen(model: Any, train_input: Any, eval_input: Any) -> list[_Run]:
    """Two calls in each mode, with other keys each time and the same weights."""
    names = ("params", "dropout")
    keys = dict(zip(names, jax.random.split(jax.random.key(0), len(names)), strict=True))
    variables = model.init(keys, *_positional(train_input), **_named(model, train_input, training=True))
    runs = []
    for training, example in ((True, train_input), (False, eval_input)):
        for seed in (1, 2):
            calls: list[Called] = []
            with nn.intercept_methods(_interceptor(calls)):
                output, _ = model.apply(
                    variables, *_positional(example), **_named(model, example, training=training), mutable=True,
                    rngs={"dropout": jax.random.key(seed)},
                )  # fmt: skip
            runs.append((output, calls))
    return runs


def _interceptor(calls: list[Called]) -> Any:
    def noting(following: Any, args: Any, kwargs: Any, context: Any) -> Any:
        before = len(calls)
        output = following(*args, **kwargs)
        if context.method_name == "__call__" and len(calls) == before and context.module.path:
            called = _called("/".join(context.module.path), context.module)
            called.moments = structure.moments(output)
            calls.append(called)
        return output

    return noting


def _call(model: Any, example: Any, training: bool) -> Any:
    return model(*_positional(example), **_named(model, example, training=training))


def _positional(example: Any) -> tuple[Any, ...]:
    if isinstance(example, dict):
        return ()
    return tuple(example) if isinstance(example, (tuple, list)) else (example,)


def _named(model: Any, example: Any, *, training: bool) -> dict[str, Any]:
    """Keyword inputs, and the mode by whatever name the model knows it."""
    given = dict(example) if isinstance(example, dict) else {}
    known = inspect.signature(type(model).__call__).parameters
    return given | {name: value == training for name, value in _MODES.items() if name in known}


def _called(name: str, module: Any) -> Called:
    kind = type(module).__name__
    weighted = any(
        word in kind.lower() for word in ("dense", "linear", "conv", "attention", "embed", "cell", "einsum")
    )
    return Called(name, kind, _rate(module), "BatchNorm" in kind, weighted)


def _rate(module: Any) -> float | None:
    rate = getattr(module, "rate", None)
    if not structure.is_dropout(type(module).__name__) or isinstance(rate, bool):
        return None
    return float(rate) if isinstance(rate, (int, float)) else None
