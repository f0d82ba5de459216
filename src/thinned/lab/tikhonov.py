"""Tikhonov's penalty on a classifier: how strongly its loss curves with its inputs."""

import torch
from torch import Tensor, nn

from thinned.torch import draws


def sensitivity(model: nn.Module, x: Tensor) -> Tensor:
    """The Gauss-Newton trace of each example's cross-entropy with respect to its inputs.

        tr J^T (diag(p) - p p^T) J = sum_c p_c |d log p_c / dx|^2,   J = d logits / dx

    It is the mean, over labels drawn from the network's own `p`, of the squared gradient: no label is needed.

    Args:
        model: takes axes (example, feature), gives logits of axes (example, class), each from its own example.
        x: its inputs.

    Returns:
        Axes (example,), differentiable with respect to the model's parameters.

    Example:
        >>> model = nn.Linear(3, 2, bias=False)
        >>> _ = nn.init.eye_(model.weight)
        >>> sensitivity(model, torch.zeros(1, 3)).tolist()  # p = (1/2, 1/2), gradients +-(1/2, -1/2, 0)
        [0.5]

    References:
        Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995,
        https://doi.org/10.1162/neco.1995.7.1.108.
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        log_p = model(x).log_softmax(1)
        total = torch.zeros(len(x), dtype=log_p.dtype, device=log_p.device)
        for c in range(log_p.shape[1]):
            # Examples do not meet in the network, so one pass back gives each one's own gradient.
            (gradient,) = torch.autograd.grad(log_p[:, c].sum(), x, create_graph=True)
            total = total + log_p[:, c].exp() * gradient.square().sum(1)
    return total


class Penalised:
    """The cross-entropy with what noise on the inputs adds to it, to second order.

        mean cross-entropy + size^2 / 2 * mean of `sensitivity`

    Args:
        size: standard deviation of the noise that the penalty stands for.
    """

    def __init__(self, size: float) -> None:
        self.size = size

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of a minibatch, and its logits."""
        logits = model(x)
        with draws(model, 0):  # under the masks of the same call, and without a step of its own
            penalty = self.size**2 / 2 * sensitivity(model, x).mean()
        return nn.functional.cross_entropy(logits, y) + penalty, logits
