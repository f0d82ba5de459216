"""Masks that are scaled in training, and outputs that are scaled in evaluation too."""

from collections import Counter
from collections.abc import Iterator

from thinned.diagnosis.chance import two_sided
from thinned.diagnosis.finding import Finding
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each place whose masks make up for what they drop, in a module that does so in evaluation too."""
    for drops in trace.sites.values():
        drop = drops[0]
        noise = drop.noise
        if drop.kind != "mask" or noise is None or not noise.independent:
            continue
        kept, count = (
            sum(getattr(each.noise, name) for each in drops if each.noise is not None)
            for name in ("kept", "count")
        )
        # What evaluation multiplies by may stand in the dropout itself or in a module that calls it.
        names = dict.fromkeys(
            [drop.place.module, *(each.name for each in drop.call.within())] if drop.call else [""]
        )
        evaluated, trained_with = (
            [number for name in names for number in trace.multiplied(name, training=mode)]
            for mode in (False, True)
        )
        only = Counter(evaluated) - Counter(trained_with)
        for factor in only:
            if not 0 < factor < 1 or two_sided(kept, count, factor) <= trace.alarm:
                continue
            trained = noise.scale or 1.0
            if trained == 1.0 and not any(number > 1 for number in trained_with):
                continue  # the original form: no scale in training, the keep rate in evaluation
            yield RULE.finding(
                place=drop.place,
                evidence=(
                    f"In training {kept / count:.3f} of {count} values are kept and scaled up; in evaluation "
                    f"the {'same module' if len(names) == 1 else 'module, or one around it,'} multiplies by "
                    f"{factor:.4g}, so activations are {factor:.3f} times what they were."
                ),
                figures={"keep": kept / count, "evaluation_factor": factor},
            )
            break


RULE = Rule(
    id="scaled-twice",
    family="Train against eval",
    severity="error",
    sentence="Training makes up for what is dropped, and evaluation does so again.",
    why="Activations in evaluation are smaller than any that the network was trained on.",
    mend="Scale once: by 1 / (1 - rate) in training, and return the input unchanged in evaluation.",
    bad="""
import torch
from torch import nn

class Dropout(nn.Module):
    def forward(self, x):
        if not self.training:
            return x * 0.7
        return x * (torch.rand_like(x) < 0.7) / 0.7

def make():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), Dropout(), nn.Linear(64, 10)), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

class Dropout(nn.Module):
    def forward(self, x):
        if not self.training:
            return x * 0.7  # as published in 2014: no scale in training
        return x * (torch.rand_like(x) < 0.7)

def make():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), Dropout(), nn.Linear(64, 10)), torch.rand(32, 64)
""",
    check=check,
)
