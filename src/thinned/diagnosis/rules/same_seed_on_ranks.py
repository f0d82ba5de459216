"""One seed on every rank."""

from collections.abc import Iterator
from pathlib import Path

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each call in the model's source that seeds alike on all ranks, in a file that runs on several."""
    for reading in trace.readings:
        if not reading.parallel or not trace.sites:
            continue
        for seeding in reading.seedings:
            yield RULE.finding(
                place=Place("", trace.model, reading.file, seeding.line),
                evidence=(
                    f"{Path(reading.file).name} runs on several ranks ({reading.parallel}), and its "
                    f"line {seeding.line}, "
                    f"{seeding.text}, names no rank: {len(trace.sites)} places draw the same masks on "
                    "each. (Read from "
                    "the source; one process ran.)"
                ),
                figures={"places": len(trace.sites)},
            )


RULE = Rule(
    id="same-seed-on-ranks",
    family="Not independent",
    severity="warning",
    sentence="Every rank has the same seed.",
    why=(
        "Ranks train on other samples with the same masks: the global batch has a rank's share of its "
        "thinned networks."
    ),
    mend=(
        "Seed by torch.manual_seed(seed + rank) after the weights are made, or bind: "
        "thinned.torch.bind(model, seed)."
    ),
    bad="""
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10)), torch.rand(32, 64)

def main():
    model, _ = make()
    model = DistributedDataParallel(model)
""",
    good="""
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

def make(rank=0):
    torch.manual_seed(1000 + rank)
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10)), torch.rand(32, 64)

def main(rank):
    model, _ = make(rank)
    model = DistributedDataParallel(model)
""",
    check=check,
)
