"""Dropout as a layer: PyTorch's own, with the law's masks. Free until its model is bound."""

from typing import Any

from torch import Tensor, nn

from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._binding import Binding
from thinned.torch._drawing import Drawing
from thinned.torch._functional import drop, ragged, thin, thin_at
from thinned.torch._ticket import is_traced, with_level


class BernoulliLayer(Drawing, nn.modules.dropout._DropoutNd):
    """What all of them share; a subclass says along which axes a draw is shared."""

    p: Any

    def __init__(self, p: float | Schedule = 0.5, inplace: bool = False, *, site: str | None = None) -> None:
        # PyTorch compares whatever it is given; what is no number, `check_rate` refuses in words.
        super().__init__(p if isinstance(p, (int, float)) else 0.0, inplace)
        self.p = check_rate(p)
        check_site(site)
        self.site = site

    def forward(self, input: Tensor) -> Tensor:
        """Drop in training, return `input` itself in evaluation and at p = 0."""
        if not self.training or self.p == 0:
            return input
        share = self.shared(input)
        binding = self._binding
        if binding is None or type(self.p) is Schedule:
            address = self.address(input)
            rate = self.rate_at(self.p, address)
            return thin(input, rate, address, share, self.window(input), inplace=self.inplace)
        if is_traced(input, self.p):
            return self._traced(input, share, binding)
        draw = binding.use(self._name)
        address = (binding.seed, draw.site, draw.step, draw.draw)
        return drop(input, self.p, address, share, self.window(input), inplace=self.inplace)

    def extra_repr(self) -> str:
        """PyTorch's, and the site where one was given."""
        return super().extra_repr() + (f", site={self.site!r}" if self.site is not None else "")

    def _traced(self, x: Tensor, share: tuple[int, ...], binding: Binding) -> Tensor:
        if x.is_nested:
            return ragged(x, share, binding.batch, lambda values: self._traced(values, (), binding))
        at = with_level(self.ticket(x), self.p)
        result = thin_at(x, at, share, self.window(x))
        return x.copy_(result) if self.inplace else result


class Dropout(BernoulliLayer, nn.Dropout):
    """Zero elements with probability `p` in training: `nn.Dropout` with the law's masks.

        y = k x / (1 - T / 65536),   T = round(65536 p)

    A free layer draws a fresh key from PyTorch's generator at each call, so `torch.manual_seed` governs it. In
    a bound model its mask is `thinned.mask.keep(x.shape, p, seed=seed, site=name, step=step)`. Input dropout is
    this layer in front of the first one; the paper's rate is 0.2 there.

    Args:
        p: probability of dropping, 0 <= p <= 1, or a schedule of the step (`thinned.linear` and its kin), which
            needs a bound model; may be set later (`layer.p = 0`).
        inplace: write over the input, under autograd's rules.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ValueError: PyTorch's own, for `p` outside [0, 1].

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.Dropout(0.5)
        >>> _ = torch.manual_seed(0)
        >>> sorted(set(layer(torch.ones(1000)).tolist()))
        [0.0, 2.0]
        >>> layer.eval()(torch.ones(3))
        tensor([1., 1., 1.])

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """
