"""Locked dropout: one mask for all time steps, as PyTorch's recurrent layers lay sequences out."""

from torch import Tensor

from thinned.mask.sharing import Window
from thinned.methods.locked_dropout import check_window, time_axis
from thinned.methods.schedule import Schedule
from thinned.torch.layers.dropout import BernoulliLayer


class LockedDropout(BernoulliLayer):
    """Zero the same features of a sample at every time step: one draw along time.

        y[t, b, :] = k[b, :] x[t, b, :] / (1 - T / 65536),   T = round(65536 p)

    It is `thinned.torch.dropout(x, p, share=time)`. Errors of the rate are those of `Dropout`.

    Args:
        p: probability of dropping, 0 <= p <= 1, or a schedule of the step; may be set later.
        batch_first: as in `nn.LSTM`: inputs are (batch, time, *rest), and not (time, batch, *rest). Two axes are
            (time, features).
        inplace: write over the input, under autograd's rules.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        ShareError: an input with fewer than two axes.
        BindError: a batch that is bound to lie along the axis of time: say `bind(..., batch=(1, size, start))`
            where time comes first.

    Example:
        >>> import torch, thinned.torch
        >>> y = thinned.torch.LockedDropout(0.5)(torch.ones(7, 2, 16))
        >>> y.shape, bool((y == y[0]).all())
        (torch.Size([7, 2, 16]), True)

    References:
        Gal, Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016,
        https://arxiv.org/abs/1512.05287. We differ: rescaling at training time.
    """

    def __init__(
        self,
        p: float | Schedule = 0.5,
        batch_first: bool = False,
        inplace: bool = False,
        *,
        site: str | None = None,
    ) -> None:
        super().__init__(p, inplace, site=site)
        self.batch_first = batch_first

    def shared(self, x: Tensor) -> tuple[int, ...]:
        return (time_axis(x.dim(), self.batch_first),)

    def window(self, x: Tensor) -> Window | None:
        window = super().window(x)
        check_window(x.shape, window, time_axis(x.dim(), self.batch_first))
        return window

    def extra_repr(self) -> str:
        """The rate and the layout."""
        return f"p={self.p}, batch_first={self.batch_first}, {super().extra_repr().partition(', ')[2]}"
