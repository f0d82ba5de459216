"""Elementwise dropout on feature maps."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.flow import is_pointwise, sources
from thinned.diagnosis.graph import Node
from thinned.diagnosis.operators import CONVOLUTIONS, POOLS
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace

LEAST = 0.5
"""A correlation of neighbours from which on one tells a quarter of what the other would."""


def check(trace: Trace) -> Iterator[Finding]:
    """Each elementwise mask on a convolution's output whose neighbours are alike."""
    for drop in trace.masks():
        if not drop.elementwise or len(drop.shape) < 3 or drop.correlation is None:
            continue
        if drop.correlation < LEAST or not any(each.op in CONVOLUTIONS for each in sources(drop.x, _passes)):
            continue
        yield RULE.finding(
            place=drop.place,
            evidence=(
                f"Neighbours in the feature map, of shape {'x'.join(map(str, drop.shape))}, have a correlation of "
                f"{drop.correlation:.3f}, and each has a draw of its own: what one loses the next one tells."
            ),
            figures={"correlation": drop.correlation, "shape": list(drop.shape), "rate": drop.stated},
        )


def _passes(node: Node) -> bool:
    """Positions and channels stay where they are."""
    stays = node.op in POOLS or "norm" in node.op or node.op in {"add", "mul", "cat"}
    return (stays or is_pointwise(node)) and node.op not in {"permute", "transpose", "view", "reshape", "t"}


RULE = Rule(
    id="correlated-features",
    family="Wrong place",
    severity="warning",
    sentence="Elementwise dropout acts on a feature map whose neighbours are alike.",
    why=(
        "The next convolution reads the lost value off its neighbours: little is regularised, and much "
        "noise is added."
    ),
    mend="Drop channels (nn.Dropout2d) or blocks (thinned.torch.DropBlock2d).",
    bad="""
import torch
from torch import nn
from thinned.diagnosis.inputs import natural

def make():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(8, 8, 3), nn.Flatten(),
        nn.Linear(8 * 14 * 14, 10),
    )
    return model, torch.from_numpy(natural((8, 3, 16, 16)))
""",
    good="""
import torch
from torch import nn
from thinned.diagnosis.inputs import natural

def make():
    model = nn.Sequential(
        nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.Dropout2d(0.3), nn.Conv2d(16, 8, 3), nn.Flatten(),
        nn.Linear(8 * 14 * 14, 10),
    )
    return model, torch.from_numpy(natural((8, 3, 16, 16)))
""",
    check=check,
    references=(
        "Tompson et al., 'Efficient Object Localization Using Convolutional Networks', 2015, "
        "https://arxiv.org/abs/1411.4280",
        "Ghiasi, Lin, Le, 'DropBlock', 2018, https://arxiv.org/abs/1810.12890",
    ),
)
