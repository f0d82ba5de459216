"""One mask at two places."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.graph import Drop
from thinned.diagnosis.noise import CERTAIN
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each pair of places whose masks are the same, where chance would hardly ever make them so."""
    groups: dict[tuple[str, tuple[int, ...]], list[Drop]] = {}
    for drop in trace.first:
        if drop.noise is not None and drop.kind in {"mask", "noise", "alpha"} and drop.noise.bits >= CERTAIN:
            groups.setdefault((drop.noise.digest, drop.noise.shape), []).append(drop)
    for drops in groups.values():
        apart = {drop.site: drop for drop in drops}
        if len(apart) < 2:
            continue
        first, *others = apart.values()
        noise = first.noise
        assert noise is not None  # noqa: S101 - for the type checker
        yield RULE.finding(
            place=first.place,
            more=tuple(drop.place for drop in others),
            evidence=(
                f"{len(apart)} places have the same mask of {noise.count} values; chance would do that once in "
                f"2^{noise.bits:.0f}."
            ),
            figures={"places": len(apart), "values": noise.count, "bits": noise.bits},
        )


RULE = Rule(
    id="same-mask-at-sites",
    family="Not independent",
    severity="error",
    sentence="Two places have the same mask.",
    why=(
        "Fewer thinned networks are trained than the rates promise: a unit is always dropped together "
        "with another."
    ),
    mend="Never seed inside forward, draw one mask a place, or use addresses: thinned.torch.bind(model, seed).",
    bad="""
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        mask = F.dropout(torch.ones(len(x), 64), 0.5, self.training)
        x = self.fc1(x).relu() * mask
        return self.fc3(self.fc2(x).relu()
                        * mask)

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
        self.fc1, self.fc2, self.fc3 = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = F.dropout(self.fc1(x).relu(), 0.5, self.training)
        return self.fc3(F.dropout(self.fc2(x).relu(), 0.5, self.training))

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
    frameworks=("flax", "keras"),
)
