"""Inputs on another scale in evaluation than in training."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.inputs import Scale
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace

MOST = 2.0
"""How far the deviations of the two may be apart, as a factor; augmentation changes them by less."""


def check(trace: Trace) -> Iterator[Finding]:
    """Each float input whose two examples are on different scales."""
    for train, evaluation in trace.scales:
        ratio = _ratio(train.spread, evaluation.spread)
        moved = abs(train.mean - evaluation.mean) / (max(train.spread, evaluation.spread) or 1.0)
        if 1 / MOST <= ratio <= MOST and moved <= MOST:
            continue
        yield RULE.finding(
            place=Place("", trace.model),
            evidence=(
                f"{train.name} is {train} in training and {evaluation} in evaluation: deviations "
                "differ by a factor of "
                f"{ratio:.4g}."
            ),
            mend=_mend(train, evaluation, ratio),
            figures={"ratio": ratio, "train": vars(train) | {}, "evaluation": vars(evaluation) | {}},
        )


def _ratio(a: float, b: float) -> float:
    return 1.0 if a == b else float("1e30") if a == 0 else b / a


def _mend(train: Scale, evaluation: Scale, ratio: float) -> str:
    for large, small, where in ((evaluation, train, "evaluation"), (train, evaluation, "training")):
        if 1.5 < large.high <= 255 and small.high <= 1.0 and max(ratio, 1 / ratio) > 50:
            return f"Divide the pixels by 255 in {where} too."
    return "Send both through one preprocessing function."


RULE = Rule(
    id="input-scale",
    family="Train against eval",
    severity="error",
    sentence="Inputs are on another scale in evaluation than in training.",
    why="The network is evaluated on numbers that it never saw the like of; accuracy falls, and no error tells.",
    mend="Send both through one preprocessing function.",
    bad="""
import torch
from torch import nn

pixels = torch.randint(0, 256, (32, 64)).float()
AUDIT = {"train_input": pixels / 255, "eval_input": pixels}

def make():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10)), pixels
""",
    good="""
import torch
from torch import nn

pixels = torch.randint(0, 256, (64, 64)).float()
AUDIT = {"train_input": pixels[:32] / 255, "eval_input": pixels[32:] / 255}

def make():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10)), pixels / 255
""",
    check=check,
)
