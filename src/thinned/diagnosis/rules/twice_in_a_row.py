"""Dropout on what was dropped just before."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.flow import is_pointwise, sources
from thinned.diagnosis.graph import Drop
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace

_KINDS = {"mask", "noise", "alpha"}


def check(trace: Trace) -> Iterator[Finding]:
    """Each drop that reads another, with nothing but pointwise operations in between."""
    for drop in trace.first:
        if drop.kind not in _KINDS or drop.x.data != 2 or drop.whole_samples:
            continue
        before = [each.drop for each in sources(drop.x, _passes) if each.drop is not None]
        # Stochastic depth after dropout drops the branch and not its units: another thing.
        before = [
            each for each in before if each is not drop and each.kind in _KINDS and not each.whole_samples
        ]
        if before and before[0].x.data == 2:
            yield RULE.finding(
                place=drop.place, evidence=_evidence(before[0], drop), figures=_figures(before[0], drop)
            )


def _passes(node) -> bool:  # type: ignore[no-untyped-def]
    return node.drop is None and is_pointwise(node)


def _keep(drop: Drop) -> float | None:
    return drop.noise.keep if drop.noise is not None and drop.kind == "mask" else None


def _figures(first: Drop, second: Drop) -> dict[str, object]:
    return {"first": first.place.module, "first_keep": _keep(first), "second_keep": _keep(second)}


def _evidence(first: Drop, second: Drop) -> str:
    a, b = _keep(first), _keep(second)
    both = "" if a is None or b is None else f": {a:.3f} and {b:.3f} are kept, {a * b:.3f} of both"
    name = f"{first.place.module} ({first.place.kind})" if first.place.module else "the same module"
    line = f", line {first.place.line}," if first.place.line else ""
    return f"What it drops was dropped in {name}{line} and no weights lie between, so 2 masks are multiplied{both}."


RULE = Rule(
    id="twice-in-a-row",
    family="Wrong place",
    severity="warning",
    sentence="Dropout follows dropout.",
    why="The two are one with a higher rate than either states: 0.5 and 0.5 drop 0.75.",
    mend="Keep one, at the rate that is meant.",
    bad="""
import torch
from torch import nn

def make():
    model = nn.Sequential(
        nn.Linear(64, 64), nn.Dropout(0.5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10),
    )
    return model, torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

def make():
    model = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(64, 10),
    )
    return model, torch.rand(32, 64)
""",
    check=check,
    frameworks=("flax", "keras"),
)
