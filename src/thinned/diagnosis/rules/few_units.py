"""Dropout on so few units that whole rows vanish."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.flow import origin
from thinned.diagnosis.graph import Drop
from thinned.diagnosis.operators import SOFTMAX
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace

MOST = 1e-3
"""The share of rows dropped whole that is worth a word: one row of a thousand."""


def check(trace: Trace) -> Iterator[Finding]:
    """Each place where more than one row of a thousand loses all of its units, by expectation."""
    for drops in trace.sites.values():
        drop = drops[0]
        noise = drop.noise
        if drop.kind not in {"mask", "alpha"} or drop.x.data != 2 or noise is None or noise.units < 1:
            continue
        if not noise.kept:  # that is another mistake
            continue
        if origin(drop) & SOFTMAX:  # a row of attention may be as short as its sequence; all drop such rows
            continue
        share = _rate(drop) ** noise.units
        if share <= MOST:
            continue
        rows, gone = (sum(each.noise.rows[i] for each in drops if each.noise is not None) for i in (0, 1))
        yield RULE.finding(
            place=drop.place,
            evidence=(
                f"{noise.units} units at rate {_rate(drop):.3g}: {share:.3g} of all rows lose every "
                f"unit; {gone} of "
                f"{rows} rows did here."
            ),
            figures={"units": noise.units, "expected": share, "rows": rows, "dropped": gone},
        )


def _rate(drop: Drop) -> float:
    assert drop.noise is not None  # noqa: S101 - for the type checker
    if drop.stated is not None:
        return drop.stated
    scale = drop.noise.scale
    return 1 - 1 / scale if scale is not None and scale > 1 else 1 - drop.noise.keep


RULE = Rule(
    id="few-units",
    family="Wrong strength",
    severity="warning",
    sentence="Dropout on a layer of a few units drops whole rows.",
    why="What remains of such a sample is the bias of the next layer: it trains on its label without an input.",
    mend="Drop a wider layer, or lower the rate until rate ** units is small.",
    bad="""
import torch
from torch import nn

def make():
    model = nn.Sequential(nn.Linear(64, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 10))
    return model, torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

def make():
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))
    return model, torch.rand(32, 64)
""",
    check=check,
)
