"""A backward pass with other masks than the forward pass."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.flow import following
from thinned.diagnosis.graph import ancestors
from thinned.diagnosis.noise import CERTAIN
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each mask in the backward pass that was drawn there, and each that the gradient never meets."""
    yield from _hidden(trace)
    first = trace.train[0]
    forward = {(drop.noise.digest, drop.noise.shape) for drop in first.forward() if drop.noise is not None}
    # A gradient through stochastic depth or a convolution meets a mask in another shape, but in the same one here.
    for drop in first.drops:
        if not drop.backward or drop.noise is None or drop.noise.bits < CERTAIN or drop.kind not in _KINDS:
            continue
        if not any(draw.backward for draw in drop.draws) or (drop.noise.digest, drop.noise.shape) in forward:
            continue
        lines = [(reading.file, each.line) for reading in trace.readings for each in reading.checkpoints]
        cause = f" A checkpoint in line {lines[0][1]} has preserve_rng_state=False." if lines else ""
        again = drop.call is not None and drop.call.again
        how = "computed the module again and drew" if again else "drew"
        yield RULE.finding(
            place=drop.place,
            evidence=(
                f"The backward pass {how} a mask of {drop.noise.count} values that none of the "
                f"{len(forward)} masks of "
                f"the forward pass is.{cause}"
            ),
            figures={"values": drop.noise.count, "recomputed": again},
        )


def _hidden(trace: Trace) -> Iterator[Finding]:
    """Each mask that the gradient goes past: added to what it drops from, `x + (drop(x) - x).detach()`."""
    first = trace.train[0]
    if any(draw.backward for draw in first.draws) or any(call.again for call in first.calls):
        return  # masks are made again in the backward pass
    for drop in first.forward():
        numbers = [each for each in drop.node.parents if each.noise]
        if drop.kind != "mask" or any(
            child.backward for each in (drop.node, *numbers) for child in each.children
        ):
            continue
        learns = any(each.op == "parameter" for each in ancestors([drop.x]))
        if learns and any(each.op == "add" and drop.x in each.parents for each in following(drop.node)):
            yield RULE.finding(
                place=drop.place,
                title="The gradient goes past the mask.",
                evidence=(
                    f"No operation of the backward pass reads the mask of {drop.noise.count if drop.noise else 0} "
                    "values; its result is added to what it was drawn for, so all of it has a gradient."
                ),
                mend="Return the masked data itself, without detach().",
            )


_KINDS = {"mask", "noise", "alpha"}

RULE = Rule(
    id="backward-mask",
    family="Forward is not backward",
    severity="error",
    sentence="The backward pass has another mask than the forward pass.",
    why="The gradient is that of another network than the one whose loss was computed.",
    mend=(
        "Keep preserve_rng_state=True, save the mask for backward, or use addresses: "
        "thinned.torch.bind(model, seed)."
    ),
    bad="""
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(checkpoint(self.body, x, use_reentrant=False, preserve_rng_state=False))

def make():
    return Net(), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(checkpoint(self.body, x, use_reentrant=False))

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
)
