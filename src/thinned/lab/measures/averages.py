"""Dropout on or off at test: one pass with all units against averages of thinned networks."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from thinned.lab.measures import Context, Examples
from thinned.lab.measures.hidden import has_dropout
from thinned.mask import quantise
from thinned.uncertainty import thinned_outputs

SAMPLES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""How many thinned networks are averaged."""

ALL = 12
"""Hidden units up to which every one of the 2^n thinned networks is run."""

AT_ONCE = 64
"""Thinned networks that are run together: their activations stay in a few megabytes."""


def measure(model: nn.Sequential, data: Examples, context: Context) -> dict[str, float]:
    """What the trained network says of the test examples in one pass, and on average over its thinned networks.

    Returns:
        Nothing for a network without dropout. Else `single_accuracy`, `single_loss`: of one thinned network, mean
        over `SAMPLES[-1]` of them. `changed`: share of predictions of thinned networks that differ from the
        single pass's. `prediction_variance`: of a class's probability between thinned networks, mean over
        examples and classes. `arithmetic_accuracy[i]`, `arithmetic_loss[i]`, `geometric_accuracy[i]`,
        `geometric_loss[i]`: of the means over the first `SAMPLES[i]` networks. For at most `ALL` hidden units,
        the same with `all_` for every thinned network by its probability, `all_scaling`: largest difference of
        a probability between the single pass and the geometric mean over all, and `sampled_error[i]`: root mean
        square of the difference between the arithmetic means over `SAMPLES[i]` and over all.
    """
    if not has_dropout(model):
        return {}
    with torch.no_grad():
        whole = model(data.test_x).double()
    exact = every(model, data.test_x, context) if sum(context.configuration.hidden) <= ALL else None
    found = _sampled(model, data, whole, None if exact is None else exact[0])
    if exact is not None:
        arithmetic, geometric = exact
        found |= scores(arithmetic, data.test_y, "all_arithmetic_{}")
        found |= scores(geometric, data.test_y, "all_geometric_{}")
        found["all_scaling"] = float((geometric.exp() - whole.softmax(1)).abs().max())
    return found


def scores(log_p: Tensor, y: Tensor, name: str) -> dict[str, float]:
    """Accuracy and mean cross-entropy of log-probabilities."""
    return {
        name.format("accuracy"): float((log_p.argmax(1) == y).double().mean()),
        name.format("loss"): float(nn.functional.nll_loss(log_p, y)),
    }


def _sampled(model: nn.Sequential, data: Examples, whole: Tensor, exact: Tensor | None) -> dict[str, float]:
    y, target = data.test_y, whole.argmax(1)
    total, squares, logs = (torch.zeros_like(whole) for _ in range(3))
    single = dict.fromkeys(("single_accuracy", "single_loss", "changed"), 0.0)
    found: dict[str, float] = {}
    for k, output in enumerate(thinned_outputs(model, data.test_x, SAMPLES[-1]), start=1):
        log_p = output.double().log_softmax(1)
        p = log_p.exp()
        total, squares, logs = total + p, squares + p.square(), logs + log_p
        for name, value in scores(log_p, y, "single_{}").items():
            single[name] += value / SAMPLES[-1]
        single["changed"] += float((log_p.argmax(1) != target).double().mean()) / SAMPLES[-1]
        if k in SAMPLES:
            i = SAMPLES.index(k)
            found |= scores((total / k).log(), y, f"arithmetic_{{}}[{i}]")
            found |= scores((logs / k).log_softmax(1), y, f"geometric_{{}}[{i}]")
            if exact is not None:
                found[f"sampled_error[{i}]"] = float((total / k - exact.exp()).square().mean().sqrt())
    k = SAMPLES[-1]
    variance = (squares - total.square() / k) / (k - 1)
    # Rounding leaves less than 0 where every thinned network says the same.
    return single | found | {"prediction_variance": max(float(variance.mean()), 0.0)}


@torch.no_grad()
def every(model: nn.Sequential, x: Tensor, context: Context) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the arithmetic and the geometric mean over all 2^n thinned networks.

        p_arithmetic = sum_m P(m) p_m,   log p_geometric = sum_m P(m) log p_m - log of their normaliser,
        P(m) = prod rate^(1 - m_j) (1 - rate)^m_j, by the law's quantised rates

    Args:
        model: with dropout, of at most `ALL` hidden units, or this takes long.
        x: axes (example, feature).
        context: whose configuration has widths and rates.

    Returns:
        Two tensors of axes (example, class), in float64.
    """
    widths, rates = context.configuration.hidden, [float(quantise(r)) for r in context.configuration.rates]
    arithmetic = geometric = torch.zeros((), dtype=torch.float64)
    for masks in _masks(tuple(width for width, rate in zip(widths, rates, strict=True) if rate)):
        chances = torch.ones(len(masks), dtype=torch.float64)
        hidden, first = x.double(), 0  # the axis of masks comes with the first layer that has one
        for k, (width, rate) in enumerate(zip(widths, rates, strict=True), start=1):
            hidden = _linear(model, f"fc{k}", hidden).relu()
            if rate:
                part = masks[:, first : first + width]
                first += width
                chances = chances * torch.where(part > 0, 1 - rate, rate).prod(1)
                hidden = hidden * (part / (1 - rate))[:, None]
        log_p = _linear(model, "out", hidden).log_softmax(-1)
        arithmetic = arithmetic + torch.tensordot(chances, log_p.exp(), 1)
        geometric = geometric + torch.tensordot(chances, log_p, 1)
    return arithmetic.log(), geometric.log_softmax(1)


def _masks(widths: tuple[int, ...]) -> Iterator[Tensor]:
    """Every mask of so many units, axes (mask, unit), `AT_ONCE` at a time."""
    rows = itertools.product((0.0, 1.0), repeat=sum(widths))
    while chunk := list(itertools.islice(rows, AT_ONCE)):
        yield torch.tensor(chunk, dtype=torch.float64)


def _linear(model: nn.Sequential, name: str, x: Tensor) -> Tensor:
    layer = model.get_submodule(name)
    assert isinstance(layer, nn.Linear)  # noqa: S101 - for the type checker
    return x @ layer.weight.double().T + layer.bias.double()
