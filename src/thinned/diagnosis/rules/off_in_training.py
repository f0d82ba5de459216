"""Dropout that is told, in training, that it is evaluation."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Functionals without the mode, and layers whose mode is evaluation while the model trains."""
    for function in trace.train[0].functions:
        call = function.call
        if function.p and function.training is False and (call is None or call.training):
            yield RULE.finding(
                place=function.place,
                evidence=f"{function.name} at rate {function.p:g} had training=False in a module in training mode.",
                mend=f"Pass training=self.training to {function.name}; the default of alpha dropout is False.",
                figures={"rate": function.p},
            )
    for name, each in trace.modules.items():
        calls = trace.calls(name)
        off = each.drops and each.rate and calls and not any(call.training for call in calls)
        if off and not _is_frozen(name, trace):
            yield RULE.finding(
                place=Place(name, each.kind),
                evidence=(
                    f"After model.train() it was called {len(calls)} times in evaluation mode; its rate "
                    f"is {each.rate:g}."
                ),
                mend="Leave the mode to train(); where a frozen part is to stay in evaluation, silence this rule.",
                figures={"rate": each.rate},
            )


def _is_frozen(name: str, trace: Trace) -> bool:
    """Whether it belongs to a part in evaluation whose weights do not learn: a teacher, a frozen backbone."""
    while name:
        name = name.rpartition(".")[0]
        around = trace.modules.get(name)
        if around is None or any(call.training for call in trace.calls(name)):
            return False
        weights = list(around.module.parameters())
        if weights:
            return not any(each.requires_grad for each in weights)
    return False


RULE = Rule(
    id="off-in-training",
    family="Inactive when it should be",
    severity="warning",
    sentence="Dropout is off in training.",
    why="The model is trained without it.",
    mend="Hand on the mode: `training=self.training`.",
    bad="""
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.fc2(F.alpha_dropout(F.selu(self.fc1(x)), 0.2))

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
        return self.fc2(F.alpha_dropout(F.selu(self.fc1(x)), 0.2, self.training))

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
    frameworks=("flax", "keras"),
)
