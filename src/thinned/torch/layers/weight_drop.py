"""WeightDrop: a recurrent network whose hidden-to-hidden weights are thinned once a sequence."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from thinned.errors import ConfigurationError
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.methods.weight_drop import recurrent_weights
from thinned.torch._drawing import Drawing
from thinned.torch._functional import thin
from thinned.torch._shadow import run_with


class WeightDrop(Drawing):
    """Drop single hidden-to-hidden weights with probability `p` in training, one mask for all steps and samples.

        h_t = f(w x_t + (s k u) h_(t-1)),   s = 1 / (1 - T / 65536),   T = round(65536 p)

    The parameters stay the raw weights at every moment: a call computes with thinned copies, which the
    module never holds. So the optimiser, `deepcopy`, pickling and DistributedDataParallel see plain
    parameters, an exception leaves nothing behind, and after training the weights are what the optimiser
    made of them. The state dict is the wrapped network's behind `module.`; `layer.module` is that network,
    and may be loaded, saved and used by itself.

    In a bound model the mask of a weight is `thinned.mask.keep(weight.shape, ...)` at the site
    `name/weight_hh_l0`, and so on, the same on all ranks. Under `torch.compile` the network is a break in
    the graph, as PyTorch's own are.

    Args:
        module: an `nn.LSTM`, `nn.GRU` or `nn.RNN`, with any number of layers and directions. Its own
            `dropout` between layers keeps drawing from PyTorch's generator.
        p: probability of dropping a weight, 0 <= p <= 1, or a schedule of the step; may be set later.
        weights: names of the parameters that are dropped; all `weight_hh_*`, by default.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ConfigurationError: a weight that is not there, or is computed from other parameters.
        TypeError: another module.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.WeightDrop(torch.nn.LSTM(10, 20, num_layers=2), 0.5)
        >>> output, (hidden, cell) = layer(torch.ones(5, 3, 10))
        >>> output.shape
        torch.Size([5, 3, 20])
        >>> layer.parts
        ('weight_hh_l0', 'weight_hh_l1')

    References:
        Merity, Keskar, Socher, "Regularizing and Optimizing LSTM Language Models", 2018,
        https://arxiv.org/abs/1708.02182. Wan et al., "Regularization of Neural Networks using DropConnect",
        ICML 2013, https://proceedings.mlr.press/v28/wan13.html.
    """

    p: Any
    module: nn.RNNBase

    def __init__(
        self,
        module: nn.RNNBase,
        p: float | Schedule = 0.5,
        weights: Iterable[str] | None = None,
        *,
        site: str | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(module, nn.RNNBase):
            raise TypeError(
                f"expected an nn.LSTM, nn.GRU or nn.RNN; got {type(module).__name__}. For a linear layer there is "
                "thinned.torch.DropConnectLinear(..., per='batch')."
            )
        self.module = module
        self.p = check_rate(p)
        self.parts = recurrent_weights(list(module._flat_weights_names), weights)
        self._check_parameters()
        check_site(site)
        self.site = site

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Thin in training; in evaluation, and at p = 0, the network itself."""
        if not self.training or self.p == 0:
            return self.module(input, hx)
        self._check_parameters()
        x = input.data if isinstance(input, nn.utils.rnn.PackedSequence) else input
        thinned = {}
        for name in self.parts:
            address = self.address(x, name)
            thinned[name] = thin(getattr(self.module, name), self.rate_at(self.p, address), address)
        return run_with(self.module, thinned, (input, hx), {})

    def _check_parameters(self) -> None:
        """Refuse weights that something else computes anew in each call, now or since this was made."""
        computed = [name for name in self.parts if name not in self.module._parameters]
        if computed:
            raise ConfigurationError(
                f"expected weights that are parameters of the network; {', '.join(map(repr, computed))} is "
                "computed from others, as by weight_norm or torch.nn.utils.parametrize, which would undo what is "
                "dropped. Take that off (remove_parametrizations), or name other weights=[...]."
            )

    def extra_repr(self) -> str:
        """The rate, and which weights."""
        text = f"p={self.p}, weights={self.parts}"
        return text + (f", site={self.site!r}" if self.site is not None else "")

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        return [(name, tuple(getattr(self.module, name).shape)) for name in self.parts]
