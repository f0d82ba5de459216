"""Gaussian dropout: every activation times a normal of mean 1."""

from thinned.methods import gaussian_dropout
from thinned.torch.layers.law import LawLayer


class GaussianDropout(LawLayer):
    """Multiply each element by a normal of mean 1 in training, with the variance of dropout at rate `p`.

        y = x (1 + z sqrt(q / (1 - q)))

    `q = T / 65536` is the quantised rate. In a bound model `z` is `thinned.mask.normal(x.shape, seed=seed,
    site=name, step=step)`, within 2^-20 of its radius. Evaluation is the identity, which is the expectation. At
    p = 1, where the variance has no limit, nothing is left.

    Args:
        p: of the dropout with this variance, 0 <= p <= 1, or a schedule of the step; may be set later.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.

    Example:
        >>> import torch, thinned.torch
        >>> model = thinned.torch.bind(torch.nn.Sequential(thinned.torch.GaussianDropout(0.5)), seed=0)
        >>> model(torch.ones(3))
        tensor([0.8190, 1.4567, 2.2139])

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", section 10, JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html. Wang, Manning, "Fast Dropout Training", 2013,
        https://proceedings.mlr.press/v28/wang13a.html, has the same normal as the limit of many dropped inputs.
    """

    law = gaussian_dropout.LAW
