"""What layers have in common that execute a law: one draw an element, or a channel, at the layer's address."""

from typing import Any, ClassVar

from torch import Tensor

from thinned.methods.law import Law
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._drawing import Drawing
from thinned.torch._law import apply


class LawLayer(Drawing):
    """A layer whose rate is `p`; a subclass names the law."""

    law: ClassVar[Law]
    p: Any
    inplace: bool = False

    def __init__(self, p: float | Schedule = 0.5, *, site: str | None = None) -> None:
        super().__init__()
        self._begin(p, site)

    def _begin(self, p: float | Schedule, site: str | None) -> None:
        self.p = check_rate(p)
        check_site(site)
        self.site = site

    def forward(self, input: Tensor) -> Tensor:
        """Draw in training, return `input` itself in evaluation and at p = 0."""
        if not self.training or self.p == 0:
            return input
        share, address = self.shared(input), self.address(input)
        rate, window = self.rate_at(self.p, address), self.window(input)
        return apply(input, self.law, rate, address, share, window, inplace=self.inplace)

    def extra_repr(self) -> str:
        """The rate, and the site where one was given."""
        return f"p={self.p}" + (f", site={self.site!r}" if self.site is not None else "")
