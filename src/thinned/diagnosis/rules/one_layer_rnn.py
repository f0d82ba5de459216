"""Recurrent networks of one layer with a rate between layers."""

from collections.abc import Iterator

from torch import nn

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each of them."""
    for each in trace.modules.values():
        module = each.module
        if isinstance(module, nn.RNNBase) and module.num_layers == 1 and module.dropout > 0:
            yield RULE.finding(
                place=Place(each.name, each.kind),
                evidence=f"dropout={module.dropout:g} acts between layers, and num_layers is 1.",
                figures={"rate": module.dropout, "layers": 1},
            )


RULE = Rule(
    id="one-layer-rnn",
    family="Inactive when it should be",
    severity="warning",
    sentence="The rate of a recurrent network acts between layers, and it has one layer.",
    why="Nothing is dropped.",
    mend="Stack two layers, or drop the output with a layer of its own, such as thinned.torch.LockedDropout.",
    bad="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(16, 32, dropout=0.5, batch_first=True), nn.Linear(32, 4)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])

def make():
    return Net(), torch.rand(8, 5, 16)
""",
    good="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(16, 32, num_layers=2, dropout=0.5, batch_first=True)
        self.head = nn.Linear(32, 4)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])

def make():
    return Net(), torch.rand(8, 5, 16)
""",
    check=check,
)
