"""Dropout in front of a batch normalisation."""

import math
from collections.abc import Iterator
from typing import Any

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.graph import Drop, Node
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace

LEAST = 1.02
"""A shift of the variance that is worth a word; running statistics stray by as much from batch to batch."""

MUCH = 1.1
"""Above it a warning, below it a note: outputs are then wrong by less than 5 %."""


def check(trace: Trace) -> Iterator[Finding]:
    """Each batch normalisation whose input varies more in training than it will in evaluation, by dropout."""
    without = trace.neutral.norms
    for place, (node, _) in enumerate(trace.train[0].norms):
        drops = [
            drop
            for drop in _upstream(node)
            if drop.kind in {"mask", "noise", "alpha"} and not drop.whole_samples
        ]
        if not drops or place >= len(without) or node.call is None or without[place][1] is None:
            continue
        ratio = _ratio(
            [each.norms[place][1] for each in trace.train if place < len(each.norms)], without[place][1]
        )
        if ratio is None or ratio < LEAST:
            continue
        name = node.call.name
        yield RULE.finding(
            severity="warning" if ratio > MUCH else "note",
            place=drops[0].place,
            evidence=(
                f"At {name or 'the batch normalisation'} ({node.call.kind}) the input's variance is "
                f"{ratio:.3f} times "
                "as large with dropout as without, averaged over its channels: its running variance "
                "is wrong by that "
                f"in evaluation, and its output too small by {math.sqrt(ratio):.3f}."
            ),
            figures={"variance_ratio": ratio, "batch_norm": name, "rate": drops[0].stated},
        )


def _upstream(node: Node) -> list[Drop]:
    """Drops whose zeros reach this normalisation, with none in between."""
    found, stack, seen = [], [parent for parent in node.parents if parent.data == 2], set()
    while stack:
        each = stack.pop()
        if each in seen or "norm" in each.op or "softmax" in each.op:
            continue
        seen.add(each)
        if each.drop is not None:
            found.append(each.drop)
        stack.extend(parent for parent in each.parents if parent.data == 2)
    return found


def _ratio(withs: list[Any], without: Any) -> float | None:
    """The geometric mean over channels of the variance with noise over that without."""
    ratios = [math.log(a / b) for each in withs for a, b in zip(each.tolist(), without.tolist(), strict=False)
              if a > 0 and b > 0]  # fmt: skip
    return math.exp(sum(ratios) / len(ratios)) if ratios else None


RULE = Rule(
    id="before-batch-norm",
    family="Wrong place",
    severity="warning",
    sentence="Dropout stands in front of a batch normalisation.",
    why=(
        "Dropout widens what the normalisation sees in training and not in evaluation, so its "
        "running variance is that "
        "of another distribution: accuracy falls when the mode changes."
    ),
    mend="Drop after the last batch normalisation, or use a normalisation without running statistics.",
    bad="""
import torch
from torch import nn

def make():
    model = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(),
        nn.Linear(64, 10),
    )
    return model, torch.rand(64, 64)
""",
    good="""
import torch
from torch import nn

def make():
    model = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(64, 10),
    )
    return model, torch.rand(64, 64)
""",
    check=check,
    references=(
        "Li et al., 'Understanding the Disharmony between Dropout and Batch Normalization by "
        "Variance Shift', 2019, "
        "https://arxiv.org/abs/1801.05134",
    ),
    frameworks=("flax", "keras"),
)
