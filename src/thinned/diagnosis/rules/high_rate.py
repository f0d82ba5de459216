"""Rates above 0.8."""

import math
from collections.abc import Iterator

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.graph import Drop
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace

MOST = 0.8


def check(trace: Trace) -> Iterator[Finding]:
    """Each place whose rate, stated or told by its scale, is higher."""
    for drops in trace.sites.values():
        rate = _rate(drops[0])
        if rate is not None and rate > MOST:
            known = [drop.noise for drop in drops if drop.noise is not None]
            kept, count = sum(each.kept for each in known), sum(each.count for each in known)
            share = (
                f"{kept / count:.3f} of {count} values were kept" if count else "the operator shows no mask"
            )
            scale = f", each multiplied by {1 / (1 - rate):.3g}" if rate < 1 else ""
            yield RULE.finding(
                place=drops[0].place,
                evidence=f"The rate is {rate:.3g}: {share}{scale}.",
                figures={"rate": rate, "kept": kept, "values": count},
            )

    for function in trace.train[0].functions:
        if function.p == 1 and function.training is not False:  # nothing is drawn, all is dropped
            yield RULE.finding(
                place=function.place,
                evidence=f"The rate is 1: {function.name} dropped all of {math.prod(function.shape)} values.",
                figures={"rate": 1.0},
            )


def _rate(drop: Drop) -> float | None:
    if drop.kind not in {"mask", "noise", "alpha", "opaque"}:
        return None
    if drop.stated is not None or drop.noise is None:
        return drop.stated
    if drop.noise.scale is not None and drop.noise.scale > 1 and drop.kind == "mask":
        return 1 - 1 / drop.noise.scale
    return None


RULE = Rule(
    id="high-rate",
    family="Wrong strength",
    severity="warning",
    sentence="The rate is above 0.8.",
    why=(
        "Few units train at a step, and those are multiplied by more than five, so gradients are "
        "noise; a rate given "
        "where the probability of keeping was meant looks like this."
    ),
    mend="Rates of 0.1 to 0.5 are usual. The rate is the probability of dropping: 1 - keep probability.",
    bad="""
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.9), nn.Linear(64, 10)), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10)), torch.rand(32, 64)
""",
    check=check,
    frameworks=("flax", "keras"),
)
