"""Dropout layers that no forward pass runs."""

import math
from collections.abc import Iterator

from torch import nn

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Registered, Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each registered dropout with a rate that neither ran nor lent its rate, and each whose result is not used."""
    yield from _unread(trace)
    passes = (*trace.train, *trace.evaluation, trace.neutral)
    called = {id(call.module) for each in passes for call in each.calls}
    for each in trace.modules.values():
        if not each.drops or not each.rate or id(each.module) in called:
            continue
        owner = _owner(each, trace)
        if owner is None or id(owner.module) not in called or _lends(each, owner, trace):
            continue
        if _called_elsewhere(each, owner, trace, called):
            continue
        count = sum(call.module is owner.module for call in trace.train[0].calls)
        yield RULE.finding(
            place=Place(each.name, each.kind),
            evidence=(
                f"Its rate is {each.rate:g}; in training {owner.name or 'the model'} ran {count} times, "
                "it never."
            ),
            figures={"rate": each.rate, "owner_calls": count},
        )


def _unread(trace: Trace) -> Iterator[Finding]:
    """Each dropout whose result nothing reads, and that does not write into what it drops from either."""
    outputs = set(trace.train[0].outputs)
    for drop in trace.first:
        known = drop.function is not None or drop.node.op == "native_dropout"
        read = any(not child.backward for child in drop.node.children) or drop.node in outputs
        if known and not read and drop.kind == "mask" and drop.x.data == 2 and drop.x in trace.reached:
            yield RULE.finding(
                place=drop.place,
                title="A dropout's result is not used.",
                evidence=(
                    f"Of {math.prod(drop.shape)} values it dropped some, and no operation reads what it returned; "
                    "what it was given goes on."
                ),
                mend="Assign it, x = F.dropout(x, ...), or use inplace=True.",
            )


def _owner(each: Registered, trace: Trace) -> Registered | None:
    """The nearest module around it whose forward could call it."""
    name = each.name
    while name:
        name = name.rpartition(".")[0]
        if not isinstance(trace.modules[name].module, (nn.ModuleList, nn.ModuleDict)):
            return trace.modules[name]
    return None


def _lends(each: Registered, owner: Registered, trace: Trace) -> bool:
    """Whether a functional in the same module runs at its rate: `F.dropout(x, self.dropout.p)`."""
    return any(
        function.p == each.rate and function.call is not None
        and (function.call.name == owner.name or function.call.name.startswith(f"{owner.name}."))
        for function in trace.train[0].functions
    )  # fmt: skip


def _called_elsewhere(each: Registered, owner: Registered, trace: Trace, called: set[int]) -> bool:
    """Whether another object of the same class does call it: a block without a shortcut has no use for DropPath."""
    inner = each.name[len(owner.name) :].lstrip(".")
    for other in trace.modules.values():
        if type(other.module) is type(owner.module) and other is not owner:
            twin = trace.modules.get(f"{other.name}.{inner}" if other.name else inner)
            if twin is not None and id(twin.module) in called:
                return True
    return False


RULE = Rule(
    id="never-called",
    family="Inactive when it should be",
    severity="warning",
    sentence="A dropout layer is never called.",
    why="The model is trained without the dropout that its definition promises.",
    mend="Call it in forward and use what it returns, or take it out of the model.",
    bad="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.drop = nn.Linear(64, 64), nn.Linear(64, 10), nn.Dropout(0.5)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())

def make():
    return Net(), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.drop = nn.Linear(64, 64), nn.Linear(64, 10), nn.Dropout(0.5)

    def forward(self, x):
        return self.fc2(self.drop(self.fc1(x).relu()))

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
)
