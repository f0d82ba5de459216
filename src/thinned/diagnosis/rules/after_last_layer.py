"""Dropout on the model's output."""

from collections.abc import Iterator
from dataclasses import replace

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.flow import (
    LOSSES,
    following,
    has_weights,
    is_last,
    is_pointwise,
    is_view,
    leads_to,
    sources,
)
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each drop that is returned as it is, and read by no further weights."""
    outputs = set(trace.train[0].outputs)
    for drop in trace.first:
        if drop.kind not in {"mask", "noise", "alpha"} or drop.x.data != 2 or not is_last(drop):
            continue
        if leads_to(drop.node, outputs, is_view) is None or any(
            each.op in LOSSES for each in following(drop.node)
        ):
            continue
        shape = "x".join(map(str, drop.shape))
        finding = RULE.finding(
            place=drop.place,
            evidence=f"The model returns what was dropped here, of shape {shape}, and no weights read it before.",
            figures={"shape": list(drop.shape), "rate": drop.stated},
        )
        if not any(has_weights(each) for each in sources(drop.x, is_pointwise)):
            # Features, and no sum of a layer: a head may follow elsewhere.
            finding = replace(
                finding,
                severity="note",
                mend="Where a head outside this model reads it, all is well; silence this rule then.",
            )
        yield finding


RULE = Rule(
    id="after-last-layer",
    family="Wrong place",
    severity="warning",
    sentence="Dropout comes after the last layer.",
    why=(
        "The prediction itself is multiplied by noise: a regression's target is 0 at the rate, and no "
        "weights learn of it."
    ),
    mend="Drop the input of the last layer, not its output.",
    bad="""
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10), nn.Dropout(0.2)), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10)), torch.rand(32, 64)
""",
    check=check,
    frameworks=("flax", "keras"),
)
