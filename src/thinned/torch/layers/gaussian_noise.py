"""Gaussian noise: a normal added to every input."""

from typing import Any

from torch import Tensor

from thinned.methods import gaussian_noise
from thinned.methods.law import check_size
from thinned.methods.schedule import Schedule
from thinned.methods.site import check_site
from thinned.torch._drawing import Drawing
from thinned.torch._law import apply


class GaussianNoise(Drawing):
    """Add a normal of mean 0 and standard deviation `std` to each element in training.

        y = x + std z

    In a bound model `z` is `thinned.mask.normal(x.shape, seed=seed, site=name, step=step)`, within 2^-20 of its
    radius. The gradient goes through as it is; evaluation is the identity. For small `std`, and on average, it adds
    `std^2` times the squared gradient of the network's output to a squared error, which is the paper's subject.

    Args:
        std: a finite number, 0 or more, or a schedule of the step; may be set later (`layer.std = 0`).
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: a standard deviation that is negative or no finite number.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.GaussianNoise(0.1)
        >>> float((layer(torch.ones(1000)) - 1).abs().max()) < 0.7
        True

    References:
        Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995,
        https://doi.org/10.1162/neco.1995.7.1.108.
    """

    std: Any

    def __init__(self, std: float | Schedule = 0.1, *, site: str | None = None) -> None:
        super().__init__()
        self.std = std if isinstance(std, Schedule) else check_size(std)
        check_site(site)
        self.site = site

    def forward(self, input: Tensor) -> Tensor:
        """Draw in training, return `input` itself in evaluation and at std = 0."""
        if not self.training or self.std == 0:
            return input
        address = self.address(input)
        size, window = self.rate_at(self.std, address), self.window(input)
        return apply(input, gaussian_noise.LAW, size, address, (), window)

    def stated_rate(self, part: str = "") -> float:
        """The standard deviation, in the place of a rate."""
        if not isinstance(self.std, Schedule):
            return float(self.std)
        return self.std(0 if self._binding is None else self._binding.step)

    def extra_repr(self) -> str:
        """The standard deviation, and the site where one was given."""
        return f"std={self.std}" + (f", site={self.site!r}" if self.site is not None else "")
