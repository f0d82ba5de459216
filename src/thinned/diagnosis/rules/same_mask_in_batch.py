"""One mask for several samples of a batch."""

from collections.abc import Iterator

from torch import nn

from thinned.diagnosis.finding import Finding
from thinned.diagnosis.graph import Drop
from thinned.diagnosis.rule import Rule
from thinned.diagnosis.trace import Trace

_SAY_SO = ("batch", "locked", "variational")


def check(trace: Trace) -> Iterator[Finding]:
    """Each place where samples share their draws, by a mask without a batch axis or by chance that is none."""
    time_first = any(
        isinstance(each.module, nn.RNNBase) and not each.module.batch_first for each in trace.modules.values()
    )
    for drop in trace.first:
        noise = drop.noise
        if (
            drop.kind not in {"mask", "noise", "alpha"}
            or drop.x.data != 2
            or noise is None
            or len(drop.shape) < 2
        ):
            continue
        if says_so(drop, _SAY_SO) or drop.shape[0] < 2:
            continue
        one = 0 in noise.shared and noise.count > 1 and not (time_first and len(drop.shape) == 3)
        if not one and not noise.lanes:
            continue
        alike = drop.shape[0] if one else noise.lanes + 1
        yield RULE.finding(
            place=drop.place,
            evidence=(
                f"{alike} of {drop.shape[0]} rows along the first axis have the same mask, of "
                f"{noise.count // (1 if one else drop.shape[0])} "
                "values each."
            ),
            figures={"alike": alike, "rows": drop.shape[0]},
        )


def says_so(drop: Drop, words: tuple[str, ...]) -> bool:
    """Whether the module or the functional is called after what it shares."""
    names = [call.kind.lower() for call in drop.call.within()][:1] if drop.call else []
    if drop.function is not None:
        names.append(drop.function.name.lower())
    names += [base.__name__.lower() for base in type(drop.call.module).__mro__] if drop.call else []
    # A function of one's own that drops, such as `locked_dropout`; `forward_features` drops nothing by its name.
    names += [name.lower() for _, _, name in drop.stack[:1] if not name.startswith("forward")]
    return any(word in name for word in words for name in names)


RULE = Rule(
    id="same-mask-in-batch",
    family="Not independent",
    severity="warning",
    sentence="Samples of a batch share a mask.",
    why=(
        "A step trains one thinned network where it could average the gradients of many: the gradient's "
        "noise is larger."
    ),
    mend="Draw a mask of the data's shape, its batch axis included; under vmap, randomness='different'.",
    bad="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = self.fc1(x).relu()
        if self.training:
            x = x * (torch.rand(64) > 0.5) / 0.5
        return self.fc2(x)

def make():
    return Net(), torch.rand(32, 64)
""",
    good="""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = self.fc1(x).relu()
        if self.training:
            x = x * (torch.rand(x.shape) > 0.5) / 0.5
        return self.fc2(x)

def make():
    return Net(), torch.rand(32, 64)
""",
    check=check,
    references=("https://github.com/patrick-kidger/equinox/pull/316 (an example whose lanes shared a mask)",),
)
