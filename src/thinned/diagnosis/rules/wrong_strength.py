"""Masks whose share of zeros and whose scale do not fit each other, or what was stated."""

import math
from collections.abc import Iterator

from thinned.diagnosis.chance import normal_quantile, two_sided
from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.graph import Drop, Node
from thinned.diagnosis.omitted import keeps
from thinned.diagnosis.operators import VIEWS
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace


def check(trace: Trace) -> Iterator[Finding]:
    """Each place whose masks keep another share than their scale says, or than was stated, or than was meant."""
    yield from _swapped(trace)
    for drops in trace.sites.values():
        masks = [drop for drop in drops if drop.kind == "mask" and drop.noise is not None]
        found = None
        if masks and all(drop.noise is not None and drop.noise.independent for drop in masks):
            found = next(filter(None, (_mask(alike, trace) for alike in _alike(masks))), None)
        elif drops[0].kind == "noise":
            found = _noise(drops, trace)
        elif drops[0].kind == "alpha":
            found = _stated(drops, trace)
        if found is not None:
            yield found


def _swapped(trace: Trace) -> Iterator[Finding]:
    """Each call of PyTorch's dropouts that is given something called after keeping."""
    for each in trace.modules.values():
        for text, name, file, line in keeps(each.module):
            yield RULE.finding(
                place=Place(each.name, each.kind, file, line),
                evidence=f"In 1 line, {text}, something called {name} is given for the rate, which drops.",
                mend=f"Give 1 - {name}: p is the probability of dropping.",
            )


def _alike(masks: list[Drop]) -> list[list[Drop]]:
    """Masks of one layer and one rate: a line may be called at several, and layers may share a name."""
    found: dict[tuple[object, ...], list[Drop]] = {}
    for drop in masks:
        scale = drop.noise.scale if drop.noise is not None else None
        layer = None if drop.call is None else id(drop.call.module)
        factors = () if scale is None else tuple(f"{each:.2g}" for each in factors_of(drop, scale))
        key = (layer, drop.stated, factors)
        found.setdefault(key, []).append(drop)
    return list(found.values())


def _mask(masks: list[Drop], trace: Trace) -> Finding | None:
    kept, count, scale = _counts(masks)
    if scale is None:
        return _nothing_left(masks[0], count, trace)
    if not math.isfinite(scale):
        return RULE.finding(
            place=masks[0].place,
            evidence=f"Of {count} numbers that data is multiplied by {count - kept} are 0, and others {scale}.",
            mend="Return zeros at rate 1, where 1 / (1 - rate) divides by 0.",
            figures={"kept": kept, "values": count},
        )
    rounding = max(drop.noise.rounding for drop in masks if drop.noise is not None)
    factors = factors_of(masks[0], scale)
    if any(fits(kept, count, factor, rounding, trace.alarm) for factor in factors):
        return _stated(masks, trace)
    share = kept / count
    if len(factors) == 1 and scale == 1.0:
        if _scaled_in_evaluation(masks[0], kept, count, trace):
            return None
        evidence = (
            f"The mask keeps {share:.3f} of {count} values and multiplies them by 1, so activations "
            f"are {share:.3f} "
            "times as large in training as in evaluation."
        )
        mend = f"Divide by the keep rate in training: x * mask / {share:.3g}."
    else:
        factor = factors[-1]
        says = 1 / factor
        evidence = (
            f"The mask keeps {share:.3f} of {count} values and multiplies them by {factor:.4g}, which fits a keep "
            f"rate of {says:.3g}; on average activations are {share * factor:.3f} times what they are "
            "in evaluation. "
            f"{_guess(masks[0], share, says)}"
        ).rstrip()
        mend = "Keep an element iff a uniform number is at least the rate, and divide by 1 - rate."
    figures = {"kept": kept, "values": count, "keep": share, "scale": factors[-1]}
    return RULE.finding(place=masks[0].place, evidence=evidence, mend=mend, figures=figures)


def _nothing_left(drop: Drop, count: int, trace: Trace) -> Finding | None:
    """A mask of zeros that no rate of 1 asks for: no share above a half leaves none of so many by chance."""
    if drop.stated is not None or two_sided(0, count, 0.5) > trace.alarm:
        return None
    return RULE.finding(
        place=drop.place,
        evidence=f"The mask keeps none of {count} values.",
        mend="Is it rounded to integers, or compared the wrong way round, as in torch.randint(0, 1, ...) > rate?",
        figures={"kept": 0, "values": count},
    )


def _counts(drops: list[Drop]) -> tuple[int, int, float | None]:
    known = [drop.noise for drop in drops if drop.noise is not None]
    scales = [each.scale for each in known if each.scale is not None]
    return sum(each.kept for each in known), sum(each.count for each in known), scales[0] if scales else None


def fits(kept: int, count: int, factor: float, rounding: float, alarm: float) -> bool:
    """Whether a scale is that of a mask that kept so many; the scale itself is known up to its rounding."""
    if not 0 < factor < math.inf:
        return False
    low, high = (min(1.0, (1 + side * 4 * rounding) / factor) for side in (-1, 1))
    nearest = min(max(kept / count, low), high)
    return factor >= 1 - 4 * rounding and two_sided(kept, count, nearest) > alarm


def factors_of(drop: Drop, scale: float) -> list[float]:
    """What a kept element is multiplied by: in the mask, or, where that is of ones, by a number beside it."""
    if scale != 1.0:
        return [scale]
    after, before = (number or None for number in (_after(drop.node), _before(drop.x)))
    found = [scale, *(scale * number for number in (before, after) if number is not None)]
    if before is not None and after is not None:
        found.append(scale * before * after)
    return found


def _after(node: Node) -> float | None:
    """The number that a result alone is multiplied by next."""
    while True:
        following = [child for child in node.children if not child.backward]
        if len(following) != 1:
            return None
        (node,) = following
        if node.number is not None:
            return node.number
        if node.op not in VIEWS:
            return None


def _before(node: Node) -> float | None:
    while node.op in VIEWS and node.parents:
        node = node.parents[0]
    return node.number


def _scaled_in_evaluation(drop: Drop, kept: int, count: int, trace: Trace) -> bool:
    """Whether evaluation multiplies by the keep rate instead, in the same module."""
    for each in trace.multiplied(drop.place.module):
        if 0 < each < 1 and two_sided(kept, count, each) > trace.alarm:
            return True
    return False


def _stated(drops: list[Drop], trace: Trace) -> Finding | None:
    """A keep rate other than the module or the functional states."""
    kept, count, scale = _counts(drops)
    stated = drops[0].stated
    known = all(drop.noise is not None and drop.noise.independent for drop in drops)
    if stated is None or not count or not known or not 0 < stated < 1:
        return None
    if two_sided(kept, count, 1 - stated) > trace.alarm:
        return None
    evidence = (
        f"The rate is stated as {stated:g}, so {1 - stated:g} should be kept; the mask keeps {kept / count:.3f} of "
        f"{count} values{'' if scale is None else f', with a scale of {scale:.4g}'}."
    )
    if two_sided(kept, count, stated) > trace.alarm:
        evidence += " Is the rate taken for the probability of keeping?"
    figures = {"kept": kept, "values": count, "keep": kept / count, "stated": stated}
    return RULE.finding(place=drops[0].place, evidence=evidence, figures=figures)


def _noise(drops: list[Drop], trace: Trace) -> Finding | None:
    """Multiplicative noise that is not 1 on average."""
    known = [drop.noise for drop in drops if drop.noise is not None and drop.noise.independent]
    count = sum(each.count for each in known)
    if count < 100 or drops[0].x.data == 1:
        return None
    mean = sum(each.mean * each.count for each in known) / count
    spread = max(each.spread for each in known)
    # Noise centred on 0 samples; it replaces nothing that evaluation would have.
    error = normal_quantile(trace.alarm) * spread / math.sqrt(count)
    if abs(mean) <= max(error, 0.2 * spread) or abs(mean - 1) <= error:
        return None
    evidence = (
        f"The noise that data is multiplied by has a mean of {mean:.4f} over {count} values, "
        f"{abs(mean - 1):.4f} from "
        f"1; chance explains {error:.4f}. Activations are {mean:.3f} times what they are without it."
    )
    return RULE.finding(
        place=drops[0].place,
        evidence=evidence,
        mend="Centre the noise on 1, or divide by its mean.",
        figures={"mean": mean, "values": count},
    )


def _guess(drop: Drop, share: float, says: float) -> str:
    """What the mistake may be."""
    names = {draw.op.removesuffix("_like") for draw in drop.draws}
    if names & {"randn", "normal", "normal_functional"}:
        level = 1 - says
        tail = 0.5 * math.erfc(level / math.sqrt(2))
        told = f"P(N(0,1) > {level:g}) = {tail:.3f}: " if abs(tail - share) < 0.05 else ""
        return f"{told}the mask is drawn from a normal, by {sorted(names)[0]}; draw it from torch.rand."
    if abs((1 - share) - says) < 0.05:
        return "Is it divided by the rate instead of by 1 - rate?"
    return ""


RULE = Rule(
    id="wrong-strength",
    family="Wrong strength",
    severity="error",
    sentence="The mask's share of zeros does not fit its scale or the stated rate.",
    why="The network is trained on activations of another size than those it is evaluated on.",
    mend="Draw uniform numbers, keep an element iff its number is at least the rate, divide by 1 - rate.",
    bad="""
import torch
from torch import nn

def dropout_layer(X, dropout):
    mask = (torch.randn(X.shape) > dropout).float()
    return mask * X / (1.0 - dropout)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, X):
        H = self.lin1(X).relu()
        if self.training:
            H = dropout_layer(H, 0.5)
        return self.lin2(H)

def make():
    return Net(), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

def dropout_layer(X, dropout):
    mask = (torch.rand(X.shape) > dropout).float()
    return mask * X / (1.0 - dropout)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, X):
        H = self.lin1(X).relu()
        if self.training:
            H = dropout_layer(H, 0.5)
        return self.lin2(H)

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
    references=(
        "https://github.com/kaldi-asr/kaldi/issues/2814 (1 / p instead of 1 / (1 - p))",
        "https://d2l.ai/chapter_multilayer-perceptrons/dropout.html",
    ),
)
