"""Outputs that differ in evaluation for another reason than dropout."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.graph import Node, ancestors
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.rules.active_in_eval import equal, like_dropout
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """What drew, where two passes in evaluation differ and dropout is not why."""
    first, second = trace.evaluation
    different = sum(not equal(a, b) for a, b in zip(first.values, second.values, strict=False))
    if not different:
        return
    reached = ancestors(first.outputs)
    dropouts = {draw for drop in first.forward() if like_dropout(drop) for draw in drop.draws}
    found = [draw for draw in first.draws if draw in reached and draw not in dropouts and not draw.backward]
    told = (
        f"Two passes in evaluation over one input gave {different} of {len(first.values)} outputs differently"
    )
    places: dict[Place, list[Node]] = {}
    for draw in found:
        places.setdefault(draw.place or Place(""), []).append(draw)
    for place, draws in places.items():
        yield RULE.finding(
            place=place, evidence=f"{told}; {draws[0].op} drew here.", figures={"draws": len(draws)}
        )
    if found or any(draw in reached for draw in dropouts):
        return
    calls = [call for call in first.calls if call.foreign]
    inner = [call for call in calls if not any(other.parent is call for other in calls)]
    for call in inner[:1]:
        yield RULE.finding(
            place=Place(call.name, call.kind),
            evidence=(
                f"{told}; in this module {' and '.join(call.foreign)} drew, which torch.manual_seed does "
                "not set."
            ),
        )
    if not inner:
        yield RULE.finding(
            place=Place("", trace.model),
            evidence=(
                f"{told}; no generator of PyTorch, NumPy or Python drew, so the model keeps state between "
                "calls."
            ),
            mend="Look for what a forward pass writes: caches, counters, statistics, or a generator of its own.",
        )


RULE = Rule(
    id="stochastic-in-eval",
    family="Active when it should not be",
    severity="warning",
    sentence="Outputs in evaluation differ from call to call.",
    why="Nobody can repeat a prediction, and a metric of a trained model has noise that no seed explains.",
    mend="Draw only `if self.training`; where the model is to sample in evaluation, silence this rule.",
    bad="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        return self.linear(x + 0.1 * torch.randn_like(x))

def make():
    return Net(), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        if self.training:
            x = x + 0.1 * torch.randn_like(x)
        return self.linear(x)

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
)
