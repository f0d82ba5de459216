"""Modules whose mode is not the model's."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Registered, Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Modules in training mode in a model in evaluation, as it came, or after `eval()`."""
    if not trace.given_training:
        left = [each for each in trace.modules.values() if each.training and _matters(each)]
        if left:
            places = [Place(each.name, each.kind) for each in left]
            yield RULE.finding(
                place=places[0],
                more=tuple(places[1:]),
                severity="warning",
                evidence=f"The model came in evaluation mode, with {len(left)} of its modules in training mode.",
                mend="Call model.eval() again after whatever set them; for Monte-Carlo dropout, silence this rule.",
                figures={"modules": len(left)},
            )
    told = set()
    for call in trace.evaluation[0].calls:
        if call.training and "batchnorm" in call.kind.lower() and call.name not in told:
            told.add(call.name)
            known = "" if call.registered else " The model does not know it: it lies in a plain list."
            yield RULE.finding(
                place=Place(call.name, call.kind),
                evidence=f"After model.eval() this module was called 1 time or more in training mode.{known}",
                figures={"registered": call.registered},
            )


def _matters(each: Registered) -> bool:
    return (each.drops and bool(each.rate)) or "batchnorm" in each.kind.lower()


RULE = Rule(
    id="left-in-train",
    family="Active when it should not be",
    severity="error",
    sentence="A module stays in training mode in evaluation.",
    why="A normalisation goes on using and changing its statistics by what it is tested on, and dropout goes on.",
    mend="Keep modules in attributes, nn.ModuleList or nn.ModuleDict, and let train() set the mode of all of them.",
    bad="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.head = nn.Linear(64, 64), nn.Linear(64, 10)
        self.norms = [nn.BatchNorm1d(64)]

    def forward(self, x):
        return self.head(self.norms[0](self.linear(x)).relu())

def make():
    return Net(), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.head = nn.Linear(64, 64), nn.Linear(64, 10)
        self.norms = nn.ModuleList([nn.BatchNorm1d(64)])

    def forward(self, x):
        return self.head(self.norms[0](self.linear(x)).relu())

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
)
