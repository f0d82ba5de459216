"""How much hidden units lean on each other: correlations, zeros, and what is lost without some of them."""

import torch
from torch import Tensor, nn

from thinned.lab.measures import Context, Examples
from thinned.lab.measures.hidden import evaluated
from thinned.mask import keep

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)
"""Of the hidden units, removed at test."""

SUBSETS = 10
"""Random sets of units that are removed, one after another, at each share."""


def measure(model: nn.Sequential, data: Examples, context: Context) -> dict[str, float]:
    """What the trained network's hidden units have in common, on the test examples, dropout off.

    Returns:
        `correlation[k]`: mean of |r| over pairs of units of layer k that are not constant.
        `zeros[k]`: share of its activations that are exactly 0.
        `silent[k]`: share of its units that are 0 for every example.
        `removed_accuracy[i]`, `removed_loss[i]`: with the share `SHARES[i]` of every hidden layer's units
            removed for all examples, those left multiplied by 1 / (1 - share); mean over `SUBSETS` subsets.
        `unscaled_accuracy[i]`: the same with those left as they are.
    """
    found: dict[str, float] = {}
    for k, layer in enumerate(evaluated(model, data.test_x)):
        found[f"correlation[{k}]"] = mean_correlation(layer.after)
        found[f"zeros[{k}]"] = float((layer.after == 0).double().mean())
        found[f"silent[{k}]"] = float((layer.after == 0).all(0).double().mean())
    for i, share in enumerate(SHARES):
        found |= {f"{name}[{i}]": value for name, value in removal(model, data, share, context.seed).items()}
    return found


def mean_correlation(activations: Tensor) -> float:
    """The mean of |r| over pairs of units that are not constant; 0 where there are not two of them.

    Example:
        >>> round(mean_correlation(torch.tensor([[1.0, 2.0, 5.0], [2.0, 4.0, 5.0], [3.0, 6.0, 5.0]])), 12)
        1.0
    """
    values = activations.double()
    values = values[:, values.var(0) > 0]
    units = values.shape[1]
    if units < 2:
        return 0.0
    values = values - values.mean(0)
    values = values / values.norm(dim=0)
    r = (values.T @ values).abs()
    # Rounding may leave the diagonal beside 1.
    return float(((r.sum() - r.diagonal().sum()) / (units * (units - 1))).clamp(max=1.0))


@torch.no_grad()
def removal(model: nn.Sequential, data: Examples, share: float, seed: int) -> dict[str, float]:
    """Accuracy and loss with a share of the hidden units removed."""
    totals = {"removed_accuracy": 0.0, "removed_loss": 0.0, "unscaled_accuracy": 0.0}
    subsets = SUBSETS if share else 1
    for draw in range(subsets):
        for scale, prefix in ((1 / (1 - share), "removed"), (1.0, "unscaled")):
            logits = _without(model, data.test_x, share, scale, seed, draw)
            totals[f"{prefix}_accuracy"] += float((logits.argmax(1) == data.test_y).double().mean())
            if prefix == "removed":
                totals["removed_loss"] += float(nn.functional.cross_entropy(logits.double(), data.test_y))
    return {name: total / subsets for name, total in totals.items()}


def _without(model: nn.Sequential, x: Tensor, share: float, scale: float, seed: int, draw: int) -> Tensor:
    for name, layer in model.named_children():
        x = layer(x)
        if name.startswith("relu"):
            kept = keep((x.shape[1],), share, seed=seed, site=f"measure.removal.{name}", draw=draw)
            x = x * (torch.from_numpy(kept).to(x) * scale)
    return x
