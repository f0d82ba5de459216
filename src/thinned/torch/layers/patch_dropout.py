"""Patch dropout: fewer tokens in training."""

from typing import Any

import torch
from torch import Tensor

from thinned.errors import BindError
from thinned.methods.patch_dropout import check_prefix, check_share, count, mask_shape
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._drawing import Drawing
from thinned.torch._subset import tokens_at


class PatchDropout(Drawing):
    """Take a share `p` of each sample's tokens out of the computation: the output has fewer.

        y = x[b, S_b],   S_b a random subset of floor(tokens (1 - p)) tokens, at least one

    As timm's `PatchDropout`, with its arguments. The subset of a sample is a function of its address and its place
    in the global batch; the law's whole words are drawn for the tokens behind the prefix, and the smallest stay.

    Args:
        p: share of tokens that leaves, 0 <= p < 1, or a schedule of the step (in eager code, since it changes the
            output's shape); may be set later.
        num_prefix_tokens: how many first tokens, such as the class token, stay in any case.
        ordered: keep the tokens in their order; else they come in the order of their draws, as in timm.
        return_indices: return `(y, indices)`; indices are those of the tokens behind the prefix, counted without
            it, int64, axes (sample, kept), and None where nothing is dropped.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1), or NaN.
        ShareError: a prefix that is no number of tokens; an input that is not (batch, token, *rest), or has no
            token behind the prefix.
        BindError: a bound batch that is not axis 0, or a schedule under `torch.compile`.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.PatchDropout(0.75)(torch.ones(2, 1 + 16, 8)).shape
        torch.Size([2, 5, 8])

    References:
        Liu, Matsoukas, Strand, Azizpour, Smith, "PatchDropout: Economizing Vision Transformers Using Patch
        Dropout", 2023, https://arxiv.org/abs/2208.07220. We differ from timm: of 100 tokens at p = 0.9, ten stay;
        there, a rounding error leaves nine.
    """

    p: Any

    def __init__(
        self,
        p: float | Schedule = 0.5,
        num_prefix_tokens: int = 1,
        ordered: bool = False,
        return_indices: bool = False,
        *,
        site: str | None = None,
    ) -> None:
        super().__init__()
        self.p = check_rate(p)
        if not isinstance(p, Schedule):
            check_share(p)
        check_site(site)
        self.site = site
        self.num_prefix_tokens = check_prefix(num_prefix_tokens)
        self.ordered, self.return_indices = ordered, return_indices

    def forward(self, x: Tensor) -> Any:
        """Fewer tokens in training, `x` itself in evaluation and at p = 0."""
        indices = None
        if self.training and self.p != 0:
            x, indices = self._dropped(x)
        return (x, indices) if self.return_indices else x

    def _dropped(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        prefix, shape = self.num_prefix_tokens, self._mask_shape(x)
        address = self.address(x)
        rate = self.rate_at(self.p, address)
        if isinstance(rate, Tensor):
            raise BindError(
                "expected a constant rate where something traces, since it decides how many tokens stay; got a "
                "tensor or a schedule. Set layer.p in eager code, or do not compile this layer."
            )
        if rate == 0:  # of a schedule
            return x, None
        window = self.window(x)
        if window is not None and any(
            size != mine for size, mine in zip(window[0][1:], x.shape[1:], strict=True)
        ):
            raise BindError(
                f"expected a batch on axis 0; the binding places tokens in shape {tuple(window[0])}."
            )
        rows = None if window is None else (window[0][0], window[1][0])
        indices = tokens_at(x, shape, count(shape[1], rate), address, rows, self.ordered)
        kept = indices + prefix
        if prefix:
            first = torch.arange(prefix, device=x.device).expand(x.shape[0], prefix)
            kept = torch.cat([first, kept], dim=1)
        starts = torch.arange(x.shape[0], device=x.device)[:, None] * x.shape[1]
        y = x.flatten(0, 1).index_select(0, (kept + starts).flatten())
        return y.unflatten(0, kept.shape), indices

    def _mask_shape(self, x: Tensor) -> tuple[int, int]:
        return mask_shape(x.shape, self.num_prefix_tokens)

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        return [("", self._mask_shape(x))]

    def extra_repr(self) -> str:
        """The arguments."""
        return (
            f"p={self.p}, num_prefix_tokens={self.num_prefix_tokens}, ordered={self.ordered}, "
            f"return_indices={self.return_indices}" + ("" if self.site is None else f", site={self.site!r}")
        )
