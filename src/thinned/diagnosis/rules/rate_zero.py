"""Dropout layers with rate 0."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """All of them, as one finding."""
    layers = [each for each in trace.modules.values() if each.drops]
    zero = [Place(each.name, each.kind) for each in layers if each.rate == 0]
    if zero:
        yield RULE.finding(
            place=zero[0],
            more=tuple(zero[1:]),
            evidence=f"{len(zero)} of {len(layers)} dropout layers have rate 0 and drop nothing.",
            figures={"zero": len(zero), "layers": len(layers)},
        )


RULE = Rule(
    id="rate-zero",
    family="Inactive when it should be",
    severity="note",
    sentence="Dropout layers have rate 0.",
    why="They do nothing in training; many published configurations have rates of 0 until one sets them.",
    mend="Set the rate in the model's configuration, or take the layer out.",
    bad="""
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.0), nn.Linear(64, 10)), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 10)), torch.rand(32, 64)
""",
    check=check,
    frameworks=("flax", "keras"),
)
