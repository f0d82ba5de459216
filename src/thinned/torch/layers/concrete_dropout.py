"""Concrete dropout as a layer: it holds the layer that it stands before, and learns its rate."""

import math
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid
from torch.nn.modules.conv import _ConvNd

from thinned.methods.concrete_dropout import check_positive, logit_of, penalty
from thinned.methods.site import check_site
from thinned.torch._concrete import relaxed
from thinned.torch._drawing import Drawing

_STEPS = 2
"""After how many steps without a regulariser it is plain that no one adds it: one may be a file that was loaded."""


class ConcreteDropout(Drawing):
    """A linear layer or convolution behind a dropout whose rate is learned.

        y = layer(x (1 - z) / (1 - p)),   z = sigmoid((log(p / (1 - p)) + log((1 - u) / u)) / t)

    `u = thinned.mask.uniform(x.shape, seed=seed, site=name, step=step)` in a bound model, one draw for all
    positions before a convolution. The rate `p` falls to 0 unless the loss contains the regulariser,
    `layer.regulariser()` or, for all such layers of a model, `thinned.torch.concrete_regulariser(model)`:

        w ||W||^2 / (1 - p)  +  d K (p log p + (1 - p) log(1 - p)),   K inputs, or a convolution's channels

    A layer whose rate has been trained for two steps, in eager code, while no one asked for it warns of that, once.

    Args:
        layer: `nn.Linear`, or a convolution of `torch.nn`.
        p: the rate to begin with, between 0 and 1. It may be read and set (`layer.p`); `rate` has a gradient.
        weight_regulariser: `w`. The paper's is `l^2 / (2 N)`, for a prior of length scale `l`, `N` samples, and a
            loss that is the mean negative log-likelihood; beside a squared error, twice that over the precision.
        dropout_regulariser: `d`. The paper's is `1 / N`; beside a squared error, twice that over the precision.
        temperature: `t`, how soft the mask is.
        site: the name of its draws in a bound model; the module's qualified name, by default.

    Raises:
        TypeError: a layer that is neither linear nor a convolution.
        RateError: a rate that is not between 0 and 1, a schedule, or a factor that is no such number.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.ConcreteDropout(torch.nn.Linear(16, 4), weight_regulariser=1e-4)
        >>> loss = layer(torch.ones(8, 16)).square().mean() + layer.regulariser()
        >>> loss.backward()
        >>> round(layer.p, 6), bool(layer.p_logit.grad != 0)
        (0.1, True)

    References:
        Gal, Hron, Kendall, "Concrete Dropout", 2017, https://arxiv.org/abs/1705.07832. We differ: `u` stands for
        their `1 - u`, so that the mask becomes dropout's as the temperature falls; no epsilon is needed, because no
        `u` is 0 or 1; and the bias is not regularised.
    """

    def __init__(
        self,
        layer: nn.Module,
        p: float = 0.1,
        *,
        weight_regulariser: float = 1e-6,
        dropout_regulariser: float = 1e-5,
        temperature: float = 0.1,
        site: str | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(layer, (nn.Linear, _ConvNd)):
            raise TypeError(
                "expected nn.Linear or a convolution of torch.nn to learn the dropout of; got "
                f"{type(layer).__name__}. For another layer, call thinned.torch.concrete_dropout before it."
            )
        check_site(site)
        self.site = site
        self.layer = layer
        weight = layer.weight
        # One axis, as the paper's own code has it: torch.distributed's fully_shard takes no parameter without.
        self.p_logit = nn.Parameter(torch.full((1,), logit_of(p), dtype=weight.dtype, device=weight.device))
        self.weight_regulariser = check_positive("weight_regulariser", weight_regulariser, zero=True)
        self.dropout_regulariser = check_positive("dropout_regulariser", dropout_regulariser, zero=True)
        self.temperature = check_positive("a temperature", temperature)
        self._version, self._unasked, self._is_asked = -1, 0, True

    @property
    def p(self) -> float:
        """The rate as it is now."""
        return float(self.rate.detach())

    @p.setter
    def p(self, rate: float) -> None:
        with torch.no_grad():
            self.p_logit.fill_(logit_of(rate))

    @property
    def rate(self) -> Tensor:
        """The same as a tensor of one number, with a gradient."""
        return torch.sigmoid(self.p_logit[0])

    def forward(self, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The layer behind relaxed dropout in training; in evaluation, the layer."""
        if not self.training:
            return self.layer(input, *args, **kwargs)  # type: ignore[no-any-return]
        if not torch.compiler.is_compiling():
            self._watch()
        share, address, window = self.shared(input), self.address(input), self.window(input)
        x = relaxed(input, self.p_logit[0], self.temperature, address, share, window)
        return self.layer(x, *args, **kwargs)  # type: ignore[no-any-return]

    def regulariser(self) -> Tensor:
        """What belongs into the loss, once a step."""
        self._is_asked = True
        inputs = self.layer.in_channels if isinstance(self.layer, _ConvNd) else self.layer.in_features
        squares = self.layer.weight.square().sum()
        return penalty(  # type: ignore[no-any-return]
            self.p_logit[0],
            squares,
            inputs,
            self.weight_regulariser,
            self.dropout_regulariser,
            torch.sigmoid,
            logsigmoid,
        )

    def _watch(self) -> None:
        """Warn where the rate was trained and no one asked for the regulariser: its parameter has changed since."""
        version = self.p_logit._version
        if version == self._version or not (torch.is_grad_enabled() and self.p_logit.requires_grad):
            return
        self._unasked = 0 if self._is_asked else self._unasked + 1
        self._version, self._is_asked = version, False
        if self._unasked == _STEPS:
            self._unasked = -(1 << 62)  # once is enough
            warnings.warn(
                "a ConcreteDropout was trained without its regulariser, so its rate falls to 0: add "
                "thinned.torch.concrete_regulariser(model) to the loss. If the rate should stay, use Dropout.",
                stacklevel=2,
            )

    def shared(self, x: Tensor) -> tuple[int, ...]:
        positions = self.layer.weight.dim() - 2 if isinstance(self.layer, _ConvNd) else 0
        return tuple(range(x.dim() - positions, x.dim()))

    def stated_rate(self, part: str = "") -> float:
        return math.nan if self.p_logit.is_meta else self.p

    def extra_repr(self) -> str:
        """The rate as it is now, and the rest."""
        rate = "?" if self.p_logit.is_meta else f"{self.p:.4g}"
        return f"p={rate}, temperature={self.temperature}" + (
            f", site={self.site!r}" if self.site is not None else ""
        )


def concrete_regulariser(model: nn.Module) -> Tensor:
    """The sum of the regularisers of every `ConcreteDropout` in a model, for the loss; 0 where there is none.

    Args:
        model: any module, wrapped or not.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.ConcreteDropout(torch.nn.Linear(4, 4))
        >>> bool(thinned.torch.concrete_regulariser(torch.nn.Sequential(layer)) == layer.regulariser())
        True

    References:
        Gal, Hron, Kendall, 2017, https://arxiv.org/abs/1705.07832.
    """
    found = [module.regulariser() for module in model.modules() if isinstance(module, ConcreteDropout)]
    return torch.stack(found).sum() if found else torch.zeros(())
