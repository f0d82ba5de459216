"""Dropout that a fused layer leaves out."""

from collections.abc import Iterator

from torch import nn

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each encoder layer in evaluation mode with dropout in training mode in it."""
    for name, each in trace.modules.items():
        if not isinstance(each.module, nn.TransformerEncoderLayer) or each.training or trace.given_training:
            continue
        inner = [
            other for other in trace.modules.values()
            if other.name.startswith(f"{name}." if name else "") and other.drops and other.rate and other.training
        ]  # fmt: skip
        if inner:
            outputs = "different" if trace.given_differs else "equal"
            yield RULE.finding(
                place=Place(name, each.kind),
                evidence=(
                    f"{len(inner)} dropouts in it are in training mode and it is not; as the model "
                    "came, two passes "
                    f"without gradients gave {outputs} outputs."
                ),
                figures={"dropouts": len(inner), "differs": trace.given_differs},
            )


RULE = Rule(
    id="fast-path",
    family="Inactive when it should be",
    severity="warning",
    sentence="A fused layer skips the dropout in it.",
    why=(
        "nn.TransformerEncoderLayer in evaluation mode computes itself in one operator where no gradients are "
        "asked for, and reads its own mode alone: Monte-Carlo dropout draws nothing, and its variance is 0."
    ),
    mend="Put the layer itself in training mode, or call torch.backends.mha.set_fastpath_enabled(False).",
    bad="""
import torch
from torch import nn

def make():
    model = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.3, batch_first=True).eval()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()  # Monte-Carlo dropout
    return model, torch.rand(8, 6, 32)
""",
    good="""
import torch
from torch import nn

def make():
    model = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.3, batch_first=True).eval()
    return model, torch.rand(8, 6, 32)
""",
    check=check,
)
