"""A rate that a module states, and that no call gets."""

from collections.abc import Iterator
from typing import Any

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.omitted import made_without, unused
from thinned.diagnosis.rates import stated_rate
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each functional and each layer that takes its default, where the module states another rate for nothing."""
    for function in trace.train[0].functions:
        if function.default and function.call is not None and function.training is not False:
            module = function.call.module
            forgotten = _forgotten(trace, module, float(function.p or 0))
            if forgotten:
                yield _found(
                    forgotten, f"{function.name} is called without it", float(function.p or 0), function.place
                )
    for each in trace.modules.values():
        for attribute, file, line in made_without(each.module):
            layer = getattr(each.module, attribute, None)
            forgotten = _forgotten(trace, each.module, 0.5) if getattr(layer, "p", None) == 0.5 else None
            if forgotten:
                told = f"{attribute} is made without it, as {type(layer).__name__}()"
                yield _found(forgotten, told, 0.5, Place(each.name, each.kind, file, line))


def _forgotten(trace: Trace, module: Any, default: float) -> tuple[str, float] | None:
    """The rate that a module states and nothing in it has: by its class's source, its layers and its calls."""
    within = {id(inner) for inner in module.modules()}
    used = {stated_rate(inner) for inner in module.modules() if inner is not module}
    used |= {each.p for each in trace.train[0].functions if each.call and id(each.call.module) in within}
    for name, value in unused(module).items():
        if value not in used | {default}:
            return name, value
    return None


def _found(forgotten: tuple[str, float], told: str, default: float, place: Place) -> Finding:
    name, value = forgotten
    return RULE.finding(
        place=place,
        evidence=f"The module states self.{name} = {value:g} and never uses it; {told}, and drops at {default:g}.",
        mend=f"Give it the rate: p=self.{name}."
        if default
        else f"Give it the rate: dropout_p=self.{name} in training.",
        figures={"stated": value, "used": default},
    )


RULE = Rule(
    id="default-rate",
    family="Wrong strength",
    severity="error",
    sentence="The stated rate is used nowhere, and the default drops instead.",
    why="Whatever rate is asked for, another drops: F.dropout(x) takes 0.5, and attention without dropout_p none.",
    mend="Pass the rate, F.dropout(x, self.p, self.training), or use a layer such as nn.Dropout(p).",
    bad="""
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self, p=0.1):
        super().__init__()
        self.p = p
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = self.fc1(x).relu()
        if self.p > 0:
            x = F.dropout(x, training=self.training)
        return self.fc2(x)

def make():
    return Net(), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self, p=0.1):
        super().__init__()
        self.p = p
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = self.fc1(x).relu()
        if self.p > 0:
            x = F.dropout(x, self.p, training=self.training)
        return self.fc2(x)

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
    references=("https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html",),
)
