"""Alpha dropout, of units and of channels: PyTorch's own layers, with the law's masks."""

from torch import Tensor, nn

from thinned.methods import alpha
from thinned.methods.schedule import Schedule
from thinned.torch.layers.law import LawLayer


class _AlphaLayer(LawLayer, nn.modules.dropout._DropoutNd):
    law = alpha.LAW

    def __init__(self, p: float | Schedule = 0.5, inplace: bool = False, *, site: str | None = None) -> None:
        nn.modules.dropout._DropoutNd.__init__(self, p if isinstance(p, (int, float)) else 0.0, inplace)
        self._begin(p, site)

    def extra_repr(self) -> str:
        """PyTorch's, and the site where one was given."""
        site = f", site={self.site!r}" if self.site is not None else ""
        return f"p={self.p}, inplace={self.inplace}{site}"


class AlphaDropout(_AlphaLayer, nn.AlphaDropout):
    """Set units to SELU's lower limit with probability `p` in training; mean 0 and variance 1 stay.

        y = a x + b where kept, else a alpha' + b,   a = ((1 - q) (1 + q alpha'^2))^(-1/2),   b = -a q alpha'

    `q = T / 65536` is the quantised rate and `alpha'` is -1.7581. Only inputs of mean 0 and variance 1 keep their
    moments: put it behind `nn.SELU`. A free layer draws a fresh key from PyTorch's generator at each call, so
    `torch.manual_seed` governs it. In a bound model its mask is `thinned.mask.keep(x.shape, p, seed=seed,
    site=name, step=step)`.

    Args:
        p: probability of dropping, 0 <= p <= 1, or a schedule of the step; may be set later (`layer.p = 0`).
        inplace: write over the input, under autograd's rules.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` so near to 0 or 1 that no threshold tells it from them.
        ValueError: PyTorch's own, for `p` outside [0, 1].

    Example:
        >>> import torch, thinned.torch
        >>> y = thinned.torch.AlphaDropout(0.5)(torch.zeros(1000))
        >>> sorted({round(value, 4) for value in y.tolist()})
        [-0.7792, 0.7792]

    References:
        Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017,
        https://arxiv.org/abs/1706.02515.
    """


class FeatureAlphaDropout(_AlphaLayer, nn.FeatureAlphaDropout):
    """Set whole channels of (batch, channel, *positions) to SELU's lower limit: one draw for all positions.

    Args and errors are those of `AlphaDropout`; as in PyTorch, axes 0 and 1 have draws, whatever they are.

    Raises:
        ShareError: an input with fewer than two axes.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.FeatureAlphaDropout(0.5)(torch.zeros(2, 3, 4, 4)).std(dim=(2, 3)).max()
        tensor(0.)

    References:
        Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017,
        https://arxiv.org/abs/1706.02515.
    """

    def shared(self, x: Tensor) -> tuple[int, ...]:
        return alpha.feature_axes(x.dim())
