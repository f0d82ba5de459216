"""A compiled model whose masks are not those of its backward pass, of its next call, or of eager code."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace

MOST = 0.1
"""Of the difference quotient; with another mask at rate 0.1 a gradient is off by some 0.4 of it."""


def check(trace: Trace) -> Iterator[Finding]:
    """What was measured of the compiled model, where the audited model is one."""
    found = trace.compiled
    if found is None or not trace.sites:
        return
    place = Place("", trace.model)
    differ = [drop.noise for drop in trace.first if drop.noise is not None and drop.noise.bits > 0]
    if found.error > max(MOST, 5 * found.eager_error):
        yield RULE.finding(
            place=place,
            evidence=(
                "Along 4 directions of all weights the compiled model's gradient is off from the "
                "difference of its "
                f"own outputs by {found.error:.3f} of it, the eager model's by "
                f"{found.eager_error:.3f}; one seed held "
                "the masks."
            ),
            figures=vars(found),
        )
    if found.frozen and differ:
        yield RULE.finding(
            place=place,
            title="A compiled model has the same mask at each call.",
            evidence=(
                f"2 of 2 calls in training gave the same output, with {len(trace.first)} draws in the "
                "eager model."
            ),
            figures=vars(found),
        )
    if found.other_masks:
        yield RULE.finding(
            place=place,
            severity="note",
            title="Compiled, the model has other masks than eager code under one seed.",
            evidence=(
                "In evaluation the outputs of both agree, in training under 1 seed they do not: "
                f"{len(trace.sites)} "
                "places draw otherwise."
            ),
            consequence="A run cannot be repeated, nor a failure looked for, with the compiler off.",
            mend="torch._inductor.config.fallback_random = True, or addresses: thinned.torch.bind(model, seed).",
            figures=vars(found),
        )


RULE = Rule(
    id="compiled-masks",
    family="Forward is not backward",
    severity="error",
    sentence="A compiled model's gradient has another mask than its output.",
    why="The gradient is that of another network than the one whose loss was computed.",
    mend="Update PyTorch, or use addresses, which a compiler cannot change: thinned.torch.bind(model, seed).",
    bad='''
import torch
from torch import nn

class Wrong(torch.autograd.Function):
    """Stands for a compiler that draws again in backward."""

    @staticmethod
    def forward(ctx, x):
        return x * (torch.rand(x.shape) > 0.5) / 0.5

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (torch.rand(gradient.shape) > 0.5) / 0.5

class Compiled(nn.Module):
    def __init__(self, model):
        super().__init__()
        self._orig_mod = model

    def forward(self, x):
        first, relu, drop, last = self._orig_mod
        return last(Wrong.apply(first(x).relu()) if drop.training else first(x).relu())

def make():
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))
    return Compiled(model), torch.rand(32, 64)
''',
    good="""
import torch
from torch import nn

def make():
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))
    return torch.compile(model, backend="eager"), torch.rand(32, 64)
""",
    check=check,
    references=(
        "https://github.com/pytorch/pytorch/issues/190758 (an activation_memory_budget below 1)",
        "https://github.com/pytorch/pytorch/issues/198333 (CUDA, since 2.13)",
    ),
)
