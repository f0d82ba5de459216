"""The same mask at every step."""

from collections.abc import Iterator

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.graph import Drop
from thinned.diagnosis.noise import CERTAIN
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.rules.wrong_strength import factors_of, fits
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each place whose mask in the second training pass is that of the first."""
    yield from _kept(trace)
    first, second = ({_key(each): each for each in _counted(run.forward())} for run in trace.train)
    for key, (_, drop) in first.items():
        if key not in second or drop.noise is None or drop.noise.bits < CERTAIN or drop.kind == "replaced":
            continue
        other = second[key][1].noise
        if other is None or (other.digest, other.shape) != (drop.noise.digest, drop.noise.shape):
            continue
        seeded = any(run.reseeded for run in trace.train)
        cause = " torch.manual_seed was called in forward." if seeded else ""
        yield RULE.finding(
            place=drop.place,
            evidence=(
                f"2 of 2 training passes had the same mask of {drop.noise.count} values; chance would "
                "do that once in "
                f"2^{drop.noise.bits:.0f}.{cause}"
            ),
            figures={"values": drop.noise.count, "bits": drop.noise.bits, "reseeded": seeded},
        )


def _kept(trace: Trace) -> Iterator[Finding]:
    """Each place where training, and not evaluation, multiplies by a mask of dropout that no pass drew."""
    first, second = ({_key(each): each for each in _counted(run.fixed)} for run in trace.train)
    evaluated = {drop.site for drop in trace.evaluation[0].fixed}
    for key, (_, drop) in first.items():
        noise, other = drop.noise, second[key][1].noise if key in second else None
        if drop.site in evaluated or noise is None or other is None or noise.bits < CERTAIN:
            continue
        if (other.digest, other.shape) == (noise.digest, noise.shape) and _scales_up(drop, trace):
            yield RULE.finding(
                place=drop.place,
                evidence=(
                    f"In 2 of 2 training passes, and in none in evaluation, data was multiplied by the same "
                    f"{noise.count} values, {noise.count - noise.kept} of them 0, which nothing drew."
                ),
                mend="Draw at each call: a mask that is kept, or drawn by what each call seeds, is one.",
                figures={"values": noise.count, "kept": noise.kept},
            )


def _scales_up(drop: Drop, trace: Trace) -> bool:
    """Whether what is left is multiplied by one over its share, as dropout does and other masks do not."""
    noise = drop.noise
    if noise is None or noise.scale is None:
        return False
    factors = factors_of(drop, noise.scale)
    return any(
        each > 1 and fits(noise.kept, noise.count, each, noise.rounding, trace.alarm) for each in factors
    )


def _counted(drops: list[Drop]) -> Iterator[tuple[int, Drop]]:
    counts: dict[object, int] = {}
    for drop in drops:
        counts[drop.site] = counts.get(drop.site, -1) + 1
        yield counts[drop.site], drop


def _key(numbered: tuple[int, Drop]) -> tuple[object, int]:
    return numbered[1].site, numbered[0]


RULE = Rule(
    id="same-mask-each-step",
    family="Not independent",
    severity="error",
    sentence="Every step has the same mask.",
    why=(
        "One thinned network is trained and no other: dropped units never learn, and evaluation uses "
        "them all the same."
    ),
    mend="Draw at each call; never seed or cache a mask in forward.",
    bad="""
import torch
from torch import nn
import torch.nn.functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        torch.manual_seed(42)
        return self.fc2(F.dropout(self.fc1(x).relu(), 0.5, self.training))

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
        return self.fc2(F.dropout(self.fc1(x).relu(), 0.5, self.training))

def make():
    torch.manual_seed(42)
    return Net(), torch.rand(32, 64)
""",
    check=check,
    references=("https://github.com/pytorch/pytorch/issues/84614 (a mask frozen by a captured graph)",),
)
