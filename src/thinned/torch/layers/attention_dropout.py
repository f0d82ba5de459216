"""Dropout of attention weights: each on its own, or whole heads."""

from torch import Tensor, nn

from thinned.methods.attention_dropout import WITHIN_HEAD, check_heads, check_per
from thinned.methods.schedule import Schedule
from thinned.torch._select import drop_heads
from thinned.torch.layers.dropout import BernoulliLayer


class AttentionDropout(BernoulliLayer, nn.Dropout):
    """Zero attention weights, between the softmax and the values: single ones, or those of whole heads.

        per="weight":  y = x k / (1 - q),    k for each weight
        per="head":    y = x k n / s,        k for each head of each sample; s of its n heads are kept

    `q` is the quantised rate. Per head, the outputs of a sample's kept heads are scaled up by the share that is
    kept, as in the paper; a sample whose heads are all dropped, with probability q^n, becomes 0, so that the mean
    is x (1 - q^n). Errors of the rate are those of `Dropout`.

    Args:
        p: probability of dropping, 0 <= p <= 1, or a schedule of the step (DropHead's own falls, and rises again);
            may be set later.
        inplace: write over the input, under autograd's rules.
        per: "weight" or "head", what one draw is for.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        ValueError: another `per`.
        ShareError: per head, an input with fewer axes than (head, query, key).

    Example:
        >>> import torch, thinned.torch
        >>> class Attention(torch.nn.Module):
        ...     def __init__(self, width, heads):
        ...         super().__init__()
        ...         self.heads = heads
        ...         self.qkv = torch.nn.Linear(width, 3 * width)
        ...         self.drop_key = thinned.torch.DropKey(0.1)
        ...         self.drop = thinned.torch.AttentionDropout(0.1)
        ...         self.drop_head = thinned.torch.AttentionDropout(0.1, per="head")
        ...         self.out = torch.nn.Linear(width, width)
        ...
        ...     def forward(self, x):  # (batch, time, width)
        ...         q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).transpose(1, 3).unbind(2)
        ...         logits = self.drop_key(q @ k.mT / q.shape[-1] ** 0.5)  # (batch, head, query, key)
        ...         weights = self.drop_head(self.drop(logits.softmax(-1)))
        ...         return self.out((weights @ v).transpose(1, 2).flatten(2))
        >>> Attention(16, 4)(torch.ones(2, 5, 16)).shape
        torch.Size([2, 5, 16])

    References:
        Lin et al., "DropAttention: A Regularization Method for Fully-Connected Self-Attention Networks", 2019,
        https://arxiv.org/abs/1907.11065. We differ: the inverted scale that transformers use, where it normalises
        each row. Per head: Zhou et al., "Scheduled DropHead: A Regularization Method for Transformer Models", 2020,
        https://arxiv.org/abs/2004.13342.
    """

    def __init__(
        self,
        p: float | Schedule = 0.5,
        inplace: bool = False,
        *,
        per: str = "weight",
        site: str | None = None,
    ) -> None:
        super().__init__(p, inplace, site=site)
        check_per(per)
        self.per = per

    def forward(self, input: Tensor) -> Tensor:
        """Drop in training, return `input` itself in evaluation and at p = 0."""
        if self.per == "weight" or not self.training or self.p == 0:
            return super().forward(input)
        check_heads(input.dim())
        address = self.address(input)
        result = drop_heads(input, self.rate_at(self.p, address), address, self.window(input))
        return input.copy_(result) if self.inplace else result

    def shared(self, x: Tensor) -> tuple[int, ...]:
        return WITHIN_HEAD if self.per == "head" else ()

    def extra_repr(self) -> str:
        """The rate, and what one draw is for."""
        return f"{super().extra_repr()}, per={self.per!r}"
