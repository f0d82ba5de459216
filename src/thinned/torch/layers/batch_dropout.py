"""Batchwise dropout as a layer: one thinned network for a batch, or one for each of its groups."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from thinned.mask.sharing import layout
from thinned.methods.batch import Batch
from thinned.methods.batch_dropout import check_axis, check_groups, place
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._drawing import Drawing
from thinned.torch._functional import thin
from thinned.torch._ticket import is_traced


class BatchDropout(Drawing):
    """Zero the same units for all samples of a batch, or of each of its groups.

        y = k x / (1 - T / 65536),   k[g(r), u] = mask.keep((groups, units), p, ...),   g(r) = floor(r groups / B)

    for row r of the B rows of the *global* batch and unit u; so ranks that hold parts of one batch agree. Of
    feature maps the units are channels, and positions share a draw. What is left in a step is a smaller network,
    and `thinned.torch.compact` computes no other. In a bound model the mask's site is the layer's name, and its
    step the model's.

    Args:
        p: probability of dropping, 0 <= p <= 1, or a schedule of the step (needs a bound model); may be set later.
        groups: how many thinned networks a batch has: contiguous groups of samples, equal to within one.
        axis: where the units are: 1 for (batch, unit) and (batch, channel, *positions), -1 for (batch, time, unit).
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ShareError: `groups` below 1, or an axis that is no number; in a call, an input without that axis, or with
            the batch on it.

    Example:
        >>> import torch, thinned.torch
        >>> model = thinned.torch.bind(torch.nn.Sequential(thinned.torch.BatchDropout(0.5, groups=2)), 0)
        >>> model(torch.ones(4, 8))
        tensor([[0., 2., 0., 0., 2., 0., 0., 0.],
                [0., 2., 0., 0., 2., 0., 0., 0.],
                [2., 0., 0., 2., 2., 2., 0., 0.],
                [2., 0., 0., 2., 2., 2., 0., 0.]])

    References:
        Graham, Reizenstein, Robinson, "Efficient batchwise dropout training using submatrices", 2015,
        https://arxiv.org/abs/1502.02478. We differ: rescaling at training time, and groups.
    """

    p: Any

    def __init__(
        self, p: float | Schedule = 0.5, groups: int = 1, *, axis: int = 1, site: str | None = None
    ) -> None:
        super().__init__()
        self.p = check_rate(p)
        self.groups = check_groups(groups)
        self.axis = check_axis(axis)
        check_site(site)
        self.site = site

    def forward(self, input: Tensor) -> Tensor:
        """Drop in training, return `input` itself in evaluation and at p = 0."""
        if not self.training or self.p == 0:
            return input
        xp = torch if is_traced(input) else np
        share, window = place(input.shape, self.groups, axis=self.axis, batch=self.batch(input), xp=xp)
        address = self.address(input)
        return thin(input, self.rate_at(self.p, address), address, share, window)

    def batch(self, x: Tensor) -> Batch | None:
        """Where the rows of `x` lie in the global batch, `(axis, size, start)`; None: they are the whole of it."""
        binding = self._binding
        if binding is None or binding.batch is not None or self.groups == 1:
            return None if binding is None else binding.batch
        window = binding.window(x)  # of torch.distributed's ranks: axis 0
        return None if window is None else (0, window[0][0], window[1][0])  # type: ignore[return-value]

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        batch = None if self._binding is None else self._binding.batch
        share, _ = place(x.shape, 1, axis=self.axis, batch=batch)
        mask_shape = list(layout(tuple(x.shape), share).mask_shape)
        mask_shape[0 if batch is None else batch[0]] = self.groups
        return [("", tuple(mask_shape))]

    def extra_repr(self) -> str:
        """The rate, and what is not as by default."""
        stated = [f"p={self.p}"]
        stated += [f"groups={self.groups}"] if self.groups != 1 else []
        stated += [f"axis={self.axis}"] if self.axis != 1 else []
        stated += [f"site={self.site!r}"] if self.site is not None else []
        return ", ".join(stated)
