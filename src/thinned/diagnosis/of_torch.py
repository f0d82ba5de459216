"""PyTorch models: recorded, then read by every rule."""

from typing import Any

from torch import nn

from thinned.diagnosis.compiled import measure
from thinned.diagnosis.finding import Finding, Layer
from thinned.diagnosis.graph import Drop
from thinned.diagnosis.inputs import Scale, for_torch
from thinned.diagnosis.passes import SEED, record
from thinned.diagnosis.rule import all_rules
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
            "expected an example input, with which the model can be called; got none. Give "
            "example_input, or a shape "
            "by --input."
        )
    lazy = [name for name, each in model.named_parameters() if isinstance(each, nn.UninitializedParameter)]
    if lazy:
        raise AuditError(
            f"expected a model whose parameters have shapes; got {', '.join(lazy)} without. Call the "
            "model once before."
        )
    # A compiled model shows none of its operations; what it was compiled from shows them all.
    compiled = model if hasattr(model, "_orig_mod") else None
    trace = record(
        model._orig_mod if compiled is not None else model, for_torch(train_input), for_torch(eval_input)
    )
    trace.scales, trace.readings = pairs, readings(files)
    if compiled is not None:
        trace.compiled = measure(compiled, for_torch(train_input))
    found = [finding for id_, rule in all_rules().items() if id_ in chosen for finding in rule.check(trace)]
    return found, trace.layers, _facts(trace)


def _facts(trace: Trace) -> dict[str, Any]:
    return {
        "seed": SEED,
        "passes": [each.name for each in (*trace.train, *trace.evaluation, trace.neutral)],
        "modules": len(trace.modules),
        "sites": len(trace.sites),
        "draws": sum(drop.noise.count for drop in trace.first if drop.noise is not None),
        "false_alarm": ALARM,
        "measured": [_measured(drops) for drops in trace.sites.values()],
    }


def _measured(drops: list[Drop]) -> dict[str, Any]:
    """What one place did in both training passes."""
    first = drops[0]
    known = [drop.noise for drop in drops if drop.noise is not None]
    return {
        "module": first.place.module,
        "file": first.place.file,
        "line": first.place.line,
        "kind": first.kind,
        "calls": len(drops),
        "rate": first.stated,
        "values": sum(each.count for each in known),
        "kept": sum(each.kept for each in known),
        "scale": known[0].scale if known else None,
        "shared_axes": list(known[0].shared) if known else None,
    }
