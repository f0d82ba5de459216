"""PyTorch: layers of a bound model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

import thinned.torch
from thinned.lab.frameworks.ledger import Array, Tap
from thinned.lab.frameworks.setting import LINEAR, Setting
from thinned.lab.frameworks.weights import Weights


class Network(nn.Module):
    """The chapter's network; each call leaves in `taps` what went into dropout and what came out."""

    def __init__(self, setting: Setting, weights: Weights) -> None:
        super().__init__()
        drop = thinned.torch.Dropout if setting.drops == "law" else nn.Dropout
        shapes = [weights[f"{name}.weight"].shape for name in LINEAR]
        self.lin1, self.lin2, self.lin3 = (nn.Linear(inputs, outputs) for outputs, inputs in shapes)
        self.drop1, self.drop2 = (drop(rate) for rate in setting.rates)
        self.taps: list[tuple[Tensor, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        """Scores, axes (example, class)."""
        h1 = rectified(self.lin1(x))
        d1 = self.drop1(h1)
        h2 = rectified(self.lin2(d1))
        d2 = self.drop2(h2)
        self.taps = [(h1, d1), (h2, d2)]
        scores: Tensor = self.lin3(d2)
        return scores


class Trainer:
    """See `trainer.Trainer`."""

    def __init__(self, setting: Setting, weights: Weights) -> None:
        torch.manual_seed(setting.seed)
        dtype = getattr(torch, setting.dtype)
        self.net = Network(setting, weights).to(dtype)
        self.net.load_state_dict({name: torch.tensor(array, dtype=dtype) for name, array in weights.items()})
        if setting.drops == "law":
            thinned.torch.bind(self.net, seed=setting.seed)
        self.sgd = torch.optim.SGD(self.net.parameters(), lr=setting.lr)

    def train(self, x: Array, y: Array) -> tuple[float, Sequence[Tap]]:
        """Forward, backward, and a step down."""
        self.net.train()
        loss = nn.functional.cross_entropy(self.net(torch.from_numpy(x)), torch.from_numpy(y))
        self.sgd.zero_grad()
        loss.backward()
        self.sgd.step()
        taps = [(before.detach().numpy(), after.detach().numpy()) for before, after in self.net.taps]
        return loss.item(), taps

    @torch.no_grad()
    def scores(self, x: Array) -> Array:
        """With dropout off."""
        self.net.eval()
        found: Array = self.net(torch.from_numpy(x)).numpy()
        return found


def rectified(z: Tensor) -> Tensor:
    """The greater of z and 0; a unit that is off is -0, whose sign tells whether dropout kept it."""
    return torch.where(z > 0, z, -0.0)
