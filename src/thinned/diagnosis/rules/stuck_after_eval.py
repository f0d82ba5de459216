"""Dropout that one evaluation turns off for ever."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each place that dropped in both passes before evaluation, and in none after it."""
    before = [{drop.site: drop for drop in each.forward()} for each in trace.train]
    after = {drop.site for drop in trace.neutral.forward()}
    ran = {call.name for call in trace.neutral.calls} | trace.replaced
    for site, drop in before[0].items():
        # Where a layer was left out by chance, as LayerDrop does, its module did not run.
        if site in before[1] and site not in after and drop.place.module in ran:
            yield RULE.finding(
                place=drop.place,
                evidence="It dropped in 2 of 2 training passes before an evaluation, and in 0 of 1 after it.",
                figures={"before": 2, "after": 0},
            )


RULE = Rule(
    id="stuck-after-eval",
    family="Inactive when it should be",
    severity="error",
    sentence="The first evaluation turns dropout off for ever.",
    why="From the first validation on the model trains without dropout, and no error tells.",
    mend="Leave the rate alone and ask for the mode: `F.dropout(x, self.p, self.training)`.",
    bad="""
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.p = nn.Linear(64, 64), nn.Linear(64, 10), 0.5

    def forward(self, x):
        if not self.training:
            self.p = 0.0
        return self.fc2(F.dropout(self.fc1(x).relu(), self.p))

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
        self.fc1, self.fc2, self.p = nn.Linear(64, 64), nn.Linear(64, 10), 0.5

    def forward(self, x):
        return self.fc2(F.dropout(self.fc1(x).relu(), self.p, self.training))

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
    references=("https://github.com/NVIDIA/Megatron-LM/pull/411",),
)
