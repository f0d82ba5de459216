"""Keras models: their layers, and two calls in each mode."""

from typing import Any

import keras

from thinned.diagnosis import structure
from thinned.diagnosis.finding import Finding, Layer
from thinned.diagnosis.inputs import Scale
from thinned.diagnosis.structure import Called, Structure


def examine(
    model: Any,
    train_input: Any,
    eval_input: Any,
    pairs: list[tuple[Scale, Scale]],
    chosen: set[str],
    files: list[str],
) -> tuple[list[Finding], tuple[Layer, ...], dict[str, Any]]:
    """Findings, activations and facts of a Keras model; without an input, of its layers alone."""
    seen = Structure(layers=[_called(each) for each in model._flatten_layers() if _rate(each) is not None])
    dropping = [each for each in model._flatten_layers() if _rate(each)]
    seeds = [
        (each.path or each.name, each.seed) for each in dropping if getattr(each, "seed", None) is not None
    ]
    seen.alike = [(names, "have the same seed") for names in structure.alike(seeds)]
    if train_input is not None:
        state = [(variable, keras.ops.copy(variable.value)) for variable in model.variables]
        try:
            runs = {mode: [_run(model, example, training=mode) for _ in range(2)]
                    for mode, example in ((True, train_input), (False, eval_input))}  # fmt: skip
        finally:
            for variable, value in state:
                variable.assign(value)
        seen.train, seen.evaluation = runs[True][0][1], runs[False][0][1]
        seen.train_repeats, seen.evaluation_repeats = (
            structure.same(*(r[0] for r in runs[m])) for m in (True, False)
        )
    found = [finding for finding in structure.findings(seen) if finding.rule in chosen]
    facts = {"dropouts": len(seen.layers), "calls": len(seen.train), "read": "structure"}
    return found, structure.layers(seen), facts


def _run(model: Any, example: Any, *, training: bool) -> tuple[Any, list[Called]]:
    """The output of one call, and the calls of the layers in it."""
    calls: list[Called] = []
    original = keras.layers.Layer.__call__

    def noting(self: Any, *args: Any, **kwargs: Any) -> Any:
        output = original(self, *args, **kwargs)
        if self is not model and not list(self._layers):
            call = _called(self)
            call.moments = structure.moments(output)
            calls.append(call)
        return output

    keras.layers.Layer.__call__ = noting
    try:
        if isinstance(example, dict) and not getattr(model, "input_names", None):
            return model(**example, training=training), calls
        return model(example, training=training), calls
    finally:
        keras.layers.Layer.__call__ = original


def _called(layer: Any) -> Called:
    kind = type(layer).__name__
    weighted = isinstance(layer, (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding)) or (
        "conv" in kind.lower()
        or "attention" in kind.lower()
        or "lstm" in kind.lower()
        or "gru" in kind.lower()
    )
    return Called(layer.path or layer.name, kind, _rate(layer), "BatchNormalization" in kind, weighted)


def _rate(layer: Any) -> float | None:
    rate = getattr(layer, "rate", None)
    if not structure.is_dropout(type(layer).__name__) or isinstance(rate, bool):
        return None
    return float(rate) if isinstance(rate, (int, float)) else None
