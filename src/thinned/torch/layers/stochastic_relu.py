"""Stochastic ReLU: a rectifier that is off at random."""

from typing import Any

import torch
from torch import Tensor, nn

from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._drawing import Drawing
from thinned.torch._functional import relu_dropout


class StochasticReLU(Drawing, nn.ReLU):
    """A ReLU that is off with probability `p` in training, and scaled where it is on: dropout fused with it.

        y = k max(x, 0) / (1 - T / 65536),   T = round(65536 p)

    In a bound model `k` is `thinned.mask.keep(x.shape, p, seed=seed, site=name, step=step)`. Evaluation is
    `max(x, 0)`, the expectation; a rectifier that is switched at random without the scale has `1 - p` of it, so
    that a network meets larger activations in evaluation than it was trained with. One pass over memory; the output
    alone is kept for the backward pass.

    `nn.RReLU` is another thing: it draws the slope of the negative side, uniformly, and keeps the positive side.

    Args:
        p: probability that it is off, 0 <= p <= 1, or a schedule of the step; may be set later.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.

    Example:
        >>> import torch, thinned.torch
        >>> layer, x = thinned.torch.StochasticReLU(0.5), torch.tensor([-1.0, 1.0])
        >>> sorted(set(layer(x.repeat(100)).tolist())), layer.eval()(x)
        ([0.0, 2.0], tensor([0., 1.]))

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15, 2014,
        https://jmlr.org/papers/v15/srivastava14a.html. Xu, Wang, Chen, Li, "Empirical Evaluation of Rectified
        Activations in Convolutional Network", 2015, https://arxiv.org/abs/1505.00853, is `nn.RReLU`.
    """

    p: Any

    def __init__(self, p: float | Schedule = 0.5, *, site: str | None = None) -> None:
        super().__init__()
        self.p = check_rate(p)
        check_site(site)
        self.site = site

    def forward(self, input: Tensor) -> Tensor:
        """Draw in training; a plain rectifier in evaluation and at p = 0."""
        if not self.training or self.p == 0:
            return torch.relu(input)
        address = self.address(input)
        seed, site, step, draw = address
        rate, window = self.rate_at(self.p, address), self.window(input)
        return relu_dropout(input, rate, seed=seed, site=site, step=step, draw=draw, window=window)

    def extra_repr(self) -> str:
        """The rate, and the site where one was given."""
        return f"p={self.p}" + (f", site={self.site!r}" if self.site is not None else "")
