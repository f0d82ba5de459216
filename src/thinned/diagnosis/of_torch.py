"""PyTorch models: recorded, then read by every rule."""

from typing import Any

from torch import nn

from thinned.diagnosis.finding import Finding, Layer
from thinned.diagnosis.inputs import Scale, for_torch
from thinned.diagnosis.passes import SEED, record
from thinned.diagnosis.rule import rules
from thinned.diagnosis.source import readings
from thinned.diagnosis.trace import ALARM, Trace
from thinned.errors import AuditError


def examine(
    model: Any,
    train_input: Any,
    eval_input: Any,
    pairs: list[tuple[Scale, Scale]],
    chosen: set[str],
    files: list[str],
) -> tuple[list[Finding], tuple[Layer, ...], dict[str, Any]]:
    """Findings, activations and facts of a PyTorch model."""
    if train_input is None:
        raise AuditError(
            "expected an example input, with which the model can be called; got none. Give example_input, or a shape "
            "by --input."
        )
    lazy = [name for name, each in model.named_parameters() if isinstance(each, nn.UninitializedParameter)]
    if lazy:
        raise AuditError(
            f"expected a model whose parameters have shapes; got {', '.join(lazy)} without. Call the model once before."
        )
    # A compiled model shows none of its operations; what it was compiled from shows them all.
    compiled = model if hasattr(model, "_orig_mod") else None
    trace = record(
        model._orig_mod if compiled is not None else model, for_torch(train_input), for_torch(eval_input)
    )
    trace.scales, trace.readings, trace.compiled = pairs, readings(files), compiled
    found = [finding for id_, rule in rules().items() if id_ in chosen for finding in rule.check(trace)]
    return found, trace.layers, _facts(trace)


def _facts(trace: Trace) -> dict[str, Any]:
    return {
        "seed": SEED,
        "passes": [each.name for each in (*trace.train, *trace.evaluation, trace.neutral)],
        "modules": len(trace.modules),
        "sites": len(trace.sites),
        "draws": sum(drop.noise.count for drop in trace.first if drop.noise is not None),
        "false_alarm": ALARM,
    }
