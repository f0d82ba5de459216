"""Drop path: the residual branch of a sample, kept or dropped as a whole."""

import torch
from torch import Tensor

from thinned.methods.drop_path import rest_axes
from thinned.methods.schedule import Schedule
from thinned.torch._functional import thin
from thinned.torch.layers.dropout import BernoulliLayer


class DropPath(BernoulliLayer):
    """Zero whole samples of a residual branch: one draw for all but the axis of the batch.

        y[b] = k[b] x[b] / (1 - T / 65536),   T = round(65536 p)

    As timm's `DropPath`. The batch is axis 0, or the one that `bind(batch=(axis, size, start))` says. Where the
    whole batch may be dropped at once, `StochasticDepth` saves its time. Errors of the rate are those of `Dropout`.

    Args:
        p: probability of dropping, 0 <= p <= 1, or a schedule of the step; may be set later.
        scale_by_keep: divide by the share that is kept; without it, evaluation sees larger values than training.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        ShareError: an input without that axis.

    Example:
        >>> import torch, thinned.torch
        >>> y = thinned.torch.DropPath(0.25)(torch.ones(100, 3, 4))
        >>> sorted({round(value, 4) for value in y[:, 0, 0].tolist()}), y.std(dim=(1, 2)).max()
        ([0.0, 1.3333], tensor(0.))

    References:
        Larsson, Maire, Shakhnarovich, "FractalNet: Ultra-Deep Neural Networks without Residuals", 2017,
        https://arxiv.org/abs/1605.07648, for the name; Huang et al., "Deep Networks with Stochastic Depth", 2016,
        https://arxiv.org/abs/1603.09382, for a single branch. We differ: a draw a sample, not a batch, and
        rescaling at training time.
    """

    def __init__(
        self, p: float | Schedule = 0.5, scale_by_keep: bool = True, *, site: str | None = None
    ) -> None:
        super().__init__(p, site=site)
        self.scale_by_keep = scale_by_keep

    def forward(self, input: Tensor) -> Tensor:
        """Drop in training, return `input` itself in evaluation and at p = 0."""
        if self.scale_by_keep or not self.training or self.p == 0:
            return super().forward(input)
        share, address = self.shared(input), self.address(input)
        shape = [1 if axis in share else size for axis, size in enumerate(input.shape)]
        ones = torch.ones(shape, device=input.device)
        kept = thin(ones, self.rate_at(self.p, address), address, share, self.window(input)) != 0
        return torch.where(kept, input, 0)

    def shared(self, x: Tensor) -> tuple[int, ...]:
        batch = None if self._binding is None else self._binding.batch
        return rest_axes(x.dim(), 0 if batch is None else batch[0])

    def extra_repr(self) -> str:
        """The rate and the scale."""
        site = "" if self.site is None else f", site={self.site!r}"
        return f"p={self.p}, scale_by_keep={self.scale_by_keep}{site}"
