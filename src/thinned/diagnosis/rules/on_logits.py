"""Dropout on what a softmax or a loss reads."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.flow import (
    LOSSES,
    SCORED,
    following,
    has_weights,
    is_last,
    is_scored,
    is_view,
    leads_to,
    sources,
)
from thinned.diagnosis.graph import Drop
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each mask on a weighted sum that goes to a softmax, a sigmoid or a loss, and to no further weights."""
    for drop in trace.first:
        if drop.kind not in {"mask", "noise", "alpha"} or drop.x.data != 2 or drop.whole_samples:
            continue
        if _is_of_attention(drop):
            yield RULE.finding(
                place=drop.place,
                evidence=(
                    f"Scores of attention, of shape {'x'.join(map(str, drop.shape))}, are dropped before "
                    "their softmax."
                ),
                consequence="A dropped score is 0, and its key keeps a weight: what was to be ignored is not.",
                mend="Drop the weights after the softmax, or set dropped scores to -inf, as DropKey does.",
                figures={"logits": drop.shape[-1] if drop.shape else 1, "rate": drop.stated},
            )
            continue
        if not is_last(drop) or not any(has_weights(each) for each in sources(drop.x, is_view)):
            continue
        read = next((each.op for each in following(drop.node) if each.op in LOSSES), None)
        if read is not None:
            width = drop.shape[-1] if drop.shape else 1
            dropped = (
                ""
                if drop.noise is None
                else f"; {drop.noise.count - drop.noise.kept} of {drop.noise.count} were 0"
            )
            yield RULE.finding(
                place=drop.place,
                evidence=f"{width} logits a row go through dropout to {read.strip('_')}{dropped}.",
                figures={"logits": width, "rate": drop.stated},
            )


def _is_of_attention(drop: Drop) -> bool:
    """Whether products of activations are dropped, and go to a softmax, each on its own way."""
    products = {"bmm", "baddbmm", "matmul"}
    if drop.kind != "mask" or not any(each.op in products for each in sources(drop.x, is_scored)):
        return False
    ends = {each for each in following(drop.node) if each.op in SCORED}
    return bool(ends) and leads_to(drop.node, ends, is_scored) is not None


RULE = Rule(
    id="on-logits",
    family="Wrong strength",
    severity="warning",
    sentence="Dropout acts on logits.",
    why=(
        "A dropped logit is no absent class but one with a logit of 0, which may be the largest: the "
        "loss punishes the "
        "network for the mask, and the label's own logit is dropped as often as any."
    ),
    mend="Drop the input of the last layer, not its output.",
    bad="""
import torch
from torch import nn

def make():
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10), nn.Dropout(0.3), nn.LogSoftmax(dim=1))
    return model, torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

def make():
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10), nn.LogSoftmax(dim=1))
    return model, torch.rand(32, 64)
""",
    check=check,
)
