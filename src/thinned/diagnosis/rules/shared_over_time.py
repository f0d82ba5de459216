"""One mask for several steps of a sequence."""

from collections.abc import Iterator

from torch import nn

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.graph import Drop, Node
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.rules.same_mask_in_batch import says_so
from thinned.diagnosis.trace import Trace

_SAY_SO = (
    "locked",
    "variational",
    "shared",
    "spatial",
    "channel",
    "recurrent",
    "dropout1d",
    "droppath",
    "feature",
)


def check(trace: Trace) -> Iterator[Finding]:
    """Each place whose mask is spread along the time axis, or used again at each turn of a loop."""
    time_first = any(
        isinstance(each.module, nn.RNNBase) and not each.module.batch_first for each in trace.modules.values()
    )
    turns: dict[tuple[object, tuple[Node, ...]], list[Drop]] = {}
    for drop in trace.first:
        if drop.kind not in {"mask", "noise", "alpha"} or drop.x.data != 2 or says_so(drop, _SAY_SO):
            continue
        turns.setdefault((drop.site, drop.draws), []).append(drop)
        time = 0 if time_first else 1
        if drop.noise is not None and len(drop.shape) == 3 and drop.noise.shared == (time,):
            yield RULE.finding(
                place=drop.place,
                evidence=(
                    f"All {drop.shape[time]} steps along axis {time} of {'x'.join(map(str, drop.shape))} "
                    "share a mask."
                ),
                figures={"steps": drop.shape[time]},
            )
    for drops in turns.values():
        if len(drops) > 1:
            yield RULE.finding(
                place=drops[0].place,
                evidence=f"One mask was drawn, and used {len(drops)} times in one pass.",
                figures={"steps": len(drops)},
            )


RULE = Rule(
    id="shared-over-time",
    family="Not independent",
    severity="note",
    sentence="Steps of a sequence share a mask, and nothing says so.",
    why=(
        "Between recurrent states that is right (Gal and Ghahramani 2016); by mistake it drops a feature "
        "for a whole text."
    ),
    mend="Where it is meant, use a layer whose name says it, such as thinned.torch.LockedDropout.",
    bad="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(16, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = self.fc1(x).relu()
        if self.training:
            x = x * torch.empty(x.shape[0], 1, x.shape[2]).bernoulli_(0.5) / 0.5
        return self.fc2(x)

def make():
    return Net(), torch.rand(8, 12, 16)
""",
    good="""
import thinned.torch
import torch
from torch import nn

def make():
    model = nn.Sequential(
        nn.Linear(16, 64), nn.ReLU(), thinned.torch.LockedDropout(0.5, batch_first=True), nn.Linear(64, 10)
    )
    return model, torch.rand(8, 12, 16)
""",
    check=check,
)
