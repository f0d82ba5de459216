"""DropKey: keys that a query cannot see in this step."""

from torch import Tensor

from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._drawing import Drawing
from thinned.torch._select import drop_keys


class DropKey(Drawing):
    """Hide keys from queries before the softmax: each logit of attention becomes -inf with probability `p`.

        y = x where k else -inf

    A row whose every allowed key would be dropped is left as it is: see `thinned.torch.drop_key`. The softmax
    normalises what is left, so weights are not scaled. In evaluation it is the identity.

    Args:
        p: probability of dropping, 0 <= p <= 1, or a schedule of the step; may be set later (`layer.p = 0`).
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        AddressError: a site that is no name.

    Example:
        >>> import torch, thinned.torch
        >>> causal = torch.full((4, 4), -torch.inf).triu(1)
        >>> weights = thinned.torch.DropKey(0.5)(causal).softmax(-1)
        >>> weights[0], bool(weights.isfinite().all())
        (tensor([1., 0., 0., 0.]), True)

    References:
        Li, Hu, Nie, Han, Jiang, Guo, Liu, "DropKey for Vision Transformer", 2023,
        https://arxiv.org/abs/2208.02646. We differ: no query loses all its keys.
    """

    def __init__(self, p: float | Schedule = 0.5, *, site: str | None = None) -> None:
        super().__init__()
        self.p = check_rate(p)
        check_site(site)
        self.site = site

    def forward(self, input: Tensor) -> Tensor:
        """Hide keys from queries: `input` is (*batch, head, query, key), after masks were added."""
        if not self.training or self.p == 0:
            return input
        address = self.address(input)
        return drop_keys(input, self.rate_at(self.p, address), address, window=self.window(input))

    def extra_repr(self) -> str:
        """The rate, and the site where one was given."""
        return f"p={self.p}" + (f", site={self.site!r}" if self.site is not None else "")
