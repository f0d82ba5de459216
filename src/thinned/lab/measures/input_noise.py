"""Noise on the inputs against Tikhonov's penalty: exactly for a linear model, to second order for a network.

Bishop's argument: with noise `e` of mean 0 and covariance `s^2 I`,

    E L(x + e) = L(x) + s^2 / 2 tr H(x) + O(s^4),   H = d^2 L / dx^2

A linear model's squared error is quadratic, so there nothing is left out: `E |y - W (x + e)|^2` is
`|y - W x|^2 + s^2 |W|^2`, ridge regression. Of a classifier with logits f, tr H has two terms:

    tr J^T (diag(p) - p p^T) J  +  sum_c (p_c - y_c) laplacian f_c

The first, `sum_c p_c |d log p_c / dx|^2`, is the penalty that `thinned.lab.tikhonov` adds to the loss. Bishop
leaves out the second, since it vanishes where the network fits. In a network of ReLUs it hides in the kinks, where
no derivative sees it, but the noise does.
"""

import torch
from torch import Tensor, nn

from thinned import mask
from thinned.lab.measures import Context, Examples
from thinned.lab.tikhonov import sensitivity

SIZES = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Standard deviations of the noise, of inputs in [0, 1]."""

DRAWS = 20
"""Pairs of opposite noises for each example."""

EXAMPLES = 300
"""The first of the test examples."""

LINEAR_EXAMPLES, LINEAR_FEATURES, LINEAR_SIZE = 100, 32, 0.3
"""Of the exact check: the first training examples, their features of largest variance, and the noise."""


def measure(model: nn.Sequential, data: Examples, context: Context) -> dict[str, float]:
    """How the loss grows under noise on the inputs, and what the second order says.

    Returns:
        `sensitivity`: mean over the first test examples of the penalty's trace.
        `excess[i]`: mean loss under noise of size `SIZES[i]` minus that without.
        `taylor_ratio[i]`: the same over the mean of `e^T H e / 2` for the same noises: 1 to second order, where
            the network is smooth.
        `tikhonov_ratio[i]`: the same over `SIZES[i]^2 / 2 * sensitivity`: 1 where the penalty is the second order.
        `linear_loss`, `linear_weights`: of linear models on this data, the largest relative difference between
            noise that has covariance `s^2 I` exactly and ridge: of losses, and of the weights that they lead to.
        `linear_sampled`: the growth of a linear model's loss under normal noise over `s^2 |W|^2`.
    """
    # What a measure gets is a copy, so it may change it. Differences of losses need the digits.
    model = model.double()
    x, y = data.test_x[:EXAMPLES].double(), data.test_y[:EXAMPLES]
    trace = float(sensitivity(model, x).detach().mean())
    excesses, curvature = growth(model, x, y, context.seed)
    found = {"sensitivity": trace}
    for i, (size, excess) in enumerate(zip(SIZES, excesses, strict=True)):
        found[f"excess[{i}]"] = excess
        found[f"taylor_ratio[{i}]"] = _over(excess, size**2 / 2 * curvature)
        found[f"tikhonov_ratio[{i}]"] = _over(excess, size**2 / 2 * trace)
    return found | linear(data, LINEAR_SIZE, context.seed)


def growth(model: nn.Module, x: Tensor, y: Tensor, seed: int) -> tuple[list[float], float]:
    """At each size, the mean loss under normal noise minus the loss without; and the mean of `e^T H e`.

    By pairs of opposite noises, which cancel the first order exactly: it is much larger than the second, which is
    looked for. All sizes, and the curvature, have the same noises `e` of standard deviation 1.
    """
    totals, curvature = [0.0] * len(SIZES), 0.0
    for draw in range(DRAWS):
        noise = torch.from_numpy(
            mask.normal(tuple(x.shape), seed=seed, site="measure.input_noise", draw=draw)
        ).to(x)
        curvature += _curvature(model, x, y, noise) / DRAWS
        with torch.no_grad():
            for i, size in enumerate(SIZES):
                both = [float(_loss(model, x + sign * size * noise, y)) for sign in (1, -1)]
                totals[i] += sum(both) / (2 * DRAWS)
    still = float(_loss(model, x, y).detach())
    return [total - still for total in totals], curvature


def _loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), y)


def _curvature(model: nn.Module, x: Tensor, y: Tensor, noise: Tensor) -> float:
    """The mean over examples of `e^T H e`, by a product of the Hessian with a vector."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_loss(model, x, y), x, create_graph=True)
    (product,) = torch.autograd.grad((gradient * noise).sum(), x)
    return float((product * noise).sum())


def _over(excess: float, second: float) -> float:
    return excess / second if second else 1.0  # of a network that has not moved, both are 0


def linear(data: Examples, size: float, seed: int) -> dict[str, float]:
    """The linear model's identity on real inputs, in float64."""
    x = data.train_x[:LINEAR_EXAMPLES].double()
    x = x[:, x.var(0).argsort(descending=True, stable=True)[:LINEAR_FEATURES]]
    y = nn.functional.one_hot(data.train_y[:LINEAR_EXAMPLES], data.classes).double()
    weights = _normal((y.shape[1], x.shape[1]), seed, "measure.linear.weights")
    noisy_x, noisy_y = spread(x, size), y.repeat(2 * x.shape[1], 1)
    loss = squared_error(noisy_x, noisy_y, weights)
    penalised = squared_error(x, y, weights) + size**2 * weights.square().sum()
    by_noise = _least_squares(noisy_x, noisy_y)
    by_ridge = ridge(x, y, size)
    return {
        "linear_loss": float((loss - penalised).abs() / penalised),
        "linear_weights": float((by_noise - by_ridge).abs().max() / by_ridge.abs().max()),
        "linear_sampled": _sampled(x, y, weights, size, seed),
    }


def spread(x: Tensor, size: float) -> Tensor:
    """Each example under 2 d noises `+-size sqrt(d) e_j`: their mean is 0, their covariance `size^2 I`, exactly.

    Args:
        x: axes (example, feature), d features.
        size: standard deviation.

    Returns:
        Axes (noise, example) as one, feature.
    """
    count = x.shape[1]
    steps = size * count**0.5 * torch.eye(count, dtype=x.dtype)
    return (x + torch.cat([steps, -steps])[:, None]).reshape(-1, count)


def squared_error(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """The mean over examples of |y - W x|^2."""
    return (y - x @ weights.T).square().sum(1).mean()


def ridge(x: Tensor, y: Tensor, size: float) -> Tensor:
    """The weights that make squared error plus `size^2 |W|^2` least, axes (output, feature)."""
    gram = x.T @ x + len(x) * size**2 * torch.eye(x.shape[1], dtype=x.dtype)
    weights: Tensor = torch.linalg.solve(gram, x.T @ y).T
    return weights


def _least_squares(x: Tensor, y: Tensor) -> Tensor:
    # By QR on the noisy examples themselves: their normal equations would be ridge's, written down once more.
    weights: Tensor = torch.linalg.lstsq(x, y, driver="gels").solution.T
    return weights


def _sampled(x: Tensor, y: Tensor, weights: Tensor, size: float, seed: int) -> float:
    rows = x.repeat(DRAWS, 1)
    noise = size * _normal(tuple(rows.shape), seed, "measure.linear.noise")
    grown = [squared_error(rows + sign * noise, y.repeat(DRAWS, 1), weights) for sign in (1, -1)]
    excess = sum(grown) / 2 - squared_error(x, y, weights)
    return float(excess / (size**2 * weights.square().sum()))


def _normal(shape: tuple[int, ...], seed: int, site: str) -> Tensor:
    return torch.from_numpy(mask.normal(shape, seed=seed, site=site)).double()
