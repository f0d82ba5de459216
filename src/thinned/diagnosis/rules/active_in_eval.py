"""Dropout that goes on in evaluation."""

import math
import re
from collections.abc import Iterator

from torch import Tensor

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.graph import Drop, ancestors
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each place that drops in evaluation, and why."""
    first, second = trace.evaluation
    reached = ancestors(first.outputs)
    differ = any(not equal(a, b) for a, b in zip(first.values, second.values, strict=False))
    places: dict[object, list[Drop]] = {}
    for drop in first.forward():
        if drop.node in reached and like_dropout(drop):
            places.setdefault(drop.site, []).append(drop)
    for drops in places.values():
        yield RULE.finding(
            severity="note" if _is_meant(drops[0]) else "error",
            place=drops[0].place,
            evidence=_evidence(drops, differ=differ),
            mend=_mend(drops[0]),
            figures=_figures(drops),
        )


def equal(a: Tensor, b: Tensor) -> bool:
    """Whether two outputs are the same, NaNs included."""
    if tuple(a.shape) != tuple(b.shape):
        return False
    different = (a != b) & ~(a.isnan() & b.isnan())
    return not bool(different.any())


def like_dropout(drop: Drop) -> bool:
    """Whether a draw drops or scales data, and does not sample it (the noise of a VAE is centred on 0)."""
    if drop.kind == "noise" and drop.noise is not None:
        chance = 5 * drop.noise.spread / math.sqrt(max(1, drop.noise.count))
        return drop.noise.mean > max(0.2, chance)
    return drop.kind in {"mask", "alpha", "opaque"}


_MEANT = re.compile(r"MC(?=[A-Z_0-9]|$)|Monte_?Carlo|Bayes|(^|_)mc(_|$)")


def _is_meant(drop: Drop) -> bool:
    """Whether a class around it says by its name that it samples in evaluation: MC dropout, Bayesian networks."""
    calls = drop.call.within() if drop.call is not None else ()
    return any(_MEANT.search(each.kind) for each in calls)


def _dropped(drops: list[Drop]) -> tuple[int, int]:
    known = [drop.noise for drop in drops if drop.noise is not None]
    return sum(each.count - each.kept for each in known), sum(each.count for each in known)


def _figures(drops: list[Drop]) -> dict[str, object]:
    dropped, count = _dropped(drops)
    return {"rate": drops[0].stated, "dropped": dropped, "values": count}


def _evidence(drops: list[Drop], *, differ: bool) -> str:
    drop = drops[0]
    dropped, count = _dropped(drops)
    who = drop.function.name if drop.function else f"the operator {drop.draws[0].op}"
    rate = f" at rate {drop.stated:g}" if drop.stated is not None else ""
    much = f" and dropped {dropped / count:.3f} of {count} values" if count and drop.kind == "mask" else ""
    outputs = "different" if differ else "equal"
    return f"In evaluation {who} drew{rate}{much}; two passes over one input gave {outputs} outputs."


def _mend(drop: Drop) -> str:
    call, function = drop.call, drop.function
    if _is_meant(drop):
        return "None, if it is meant: average several passes. Else tell it the mode."
    if call is not None and not call.registered:
        return (
            f"The model does not know this {call.kind}, so eval() does not reach it: keep it in an attribute, an "
            "nn.ModuleList or an nn.ModuleDict."
        )
    if function is not None and function.name == "scaled_dot_product_attention":
        return "It knows no mode. Pass dropout_p=self.p if self.training else 0.0."
    if call is not None and call.training:
        return "The module is in training mode after eval(): its train() is overridden, or forward calls it."
    if function is not None:
        return f"Pass training=self.training to {function.name}, or use a layer such as nn.Dropout."
    return "Draw only `if self.training`, and return the input otherwise; or use nn.Dropout."


RULE = Rule(
    id="active-in-eval",
    family="Active when it should not be",
    severity="error",
    sentence="Dropout goes on in evaluation.",
    why="Predictions differ from call to call, and are worse than those of the whole network.",
    mend="Tell each dropout the mode, by `training=self.training` or by being a layer that the model knows.",
    bad="""
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc2(F.dropout(self.fc1(x).relu(), 0.5))

def make():
    return Net(), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc2(F.dropout(self.fc1(x).relu(), 0.5, self.training))

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
    references=(
        "https://github.com/pytorch/pytorch/issues/124464 (attention's dropout_p in evaluation)",
        "https://github.com/karpathy/nanoGPT/pull/240",
    ),
    frameworks=("flax", "keras"),
)
