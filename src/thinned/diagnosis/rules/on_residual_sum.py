"""Dropout on a residual sum instead of on the branch."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.flow import following, has_weights, is_view, leads_to, sources
from thinned.diagnosis.graph import Drop, Node, ancestors
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each drop of x + f(x) that ends its block, that is normalised, or whose result is the x of a later sum."""
    for drop in trace.first:
        if drop.kind not in {"mask", "noise", "alpha"} or drop.x.data != 2:
            continue
        for total in sources(drop.x, _passes):
            why = _why(drop, total) if _is_residual(total) else ""
            if why:
                share = "" if drop.noise is None else f"; {1 - drop.noise.keep:.3f} of the sum was dropped"
                yield RULE.finding(
                    place=drop.place,
                    evidence=f"What is dropped is a sum x + f(x) of 2 tensors, and {why} the result{share}.",
                    figures={"rate": drop.stated, "shape": list(drop.shape)},
                )
                break


def _why(drop: Drop, total: Node) -> str:
    """What shows that the sum goes on as the stream of a network, and not as a feature of its own."""
    if _ends_block(drop, total):
        return "the block returns"
    if _goes_on(drop):
        return "a later sum adds to"
    reads = leads_to(drop.node, set(filter(_normalises, following(drop.node))), is_view)
    return "a layer normalisation reads" if reads is not None else ""


def _normalises(node: Node) -> bool:
    return node.op in {"native_layer_norm", "_fused_rms_norm"}


def _passes(node: Node) -> bool:
    return node.drop is None and is_view(node)


def _is_residual(node: Node) -> bool:
    """Whether one of two terms was computed from the other, by weights."""
    terms = [parent for parent in node.parents if parent.data == 2]
    if node.op not in {"add", "sub"} or len(terms) != 2 or node.drop is not None:
        return False
    if terms[0].shape != terms[1].shape:
        return False
    for x, branch in (terms, reversed(terms)):
        inner = ancestors([branch])
        if any(x is each or each in _same(x) for each in inner) and any(
            map(has_weights, inner - ancestors([x]))
        ):
            return True
    return False


def _same(node: Node) -> set[Node]:
    """What a view shows."""
    return {each for each in sources(node, is_view) if each.data == 2}


def _ends_block(drop: Drop, total: Node) -> bool:
    """Whether the module that adds returns the dropped sum."""
    if total.call is None or drop.call is None:
        return False
    around = list(drop.call.within())
    return any(call is total.call for call in around[:2]) and drop.node in total.call.outputs


def _goes_on(drop: Drop) -> bool:
    """Whether the dropped sum is itself a term of a later residual sum."""
    return any(
        each.op == "add" and any(drop.node in _same(parent) or parent is drop.node for parent in each.parents)
        and _is_residual(each)
        for each in following(drop.node)
    )  # fmt: skip


RULE = Rule(
    id="on-residual-sum",
    family="Wrong place",
    severity="warning",
    sentence="Dropout acts on a residual sum and not on its branch.",
    why=(
        "The shortcut is what lets a signal and its gradient pass through many blocks; dropped once "
        "a block, of depth n "
        "only (1 - rate) ** n of it arrives."
    ),
    mend="Drop the branch: x + dropout(f(x)).",
    bad="""
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear, self.drop = nn.LayerNorm(64), nn.Linear(64, 64), nn.Dropout(0.1)

    def forward(self, x):
        return self.drop(x + self.linear(self.norm(x)).relu())

def make():
    return nn.Sequential(Block(), Block(), nn.Linear(64, 10)), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.linear, self.drop = nn.LayerNorm(64), nn.Linear(64, 64), nn.Dropout(0.1)

    def forward(self, x):
        return x + self.drop(self.linear(self.norm(x)).relu())

def make():
    return nn.Sequential(Block(), Block(), nn.Linear(64, 10)), torch.rand(32, 64)
""",
    check=check,
)
