"""DropConnect as layers: PyTorch's own, whose weights are thinned."""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thinned.errors import ConfigurationError
from thinned.mask.sharing import Window
from thinned.methods.dropconnect import INFERENCE, PER, check_choice, check_samples, example_window
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site, part_name
from thinned.torch._connect import connect
from thinned.torch._drawing import Drawing
from thinned.torch._functional import thin
from thinned.torch._moments import averaged


class _DropConnect(Drawing):
    """What linear and convolutional layers share: thinned weights and biases, each at a site of its own."""

    p: Any
    weight: Tensor

    def _begin(self, p: float | Schedule, per: str, drop_bias: bool, site: str | None) -> None:
        self.p = check_rate(p)
        self.per = check_choice("per", per, PER)
        self.drop_bias = bool(drop_bias)
        check_site(site)
        self.site = site
        has_bias = getattr(self, "bias", None) is not None
        self.parts = ("weight", "bias") if has_bias and self.drop_bias else ("weight",)

    def extra_repr(self) -> str:
        """PyTorch's, and what is special here."""
        text = f"{super().extra_repr()}, p={self.p}, per={self.per!r}"
        return text + (f", site={self.site!r}" if self.site is not None else "")

    @property
    def _axis(self) -> int:
        """The axis of the examples, as `bind(batch=...)` has it."""
        batch = None if self._binding is None else self._binding.batch
        return 0 if batch is None else batch[0]

    def _is_for_each(self, x: Tensor) -> bool:
        """Whether there are masks for each example: a single one, without an axis of the batch, has that of all."""
        return self.per == "example" and x.dim() > self.weight.dim() - 1

    def _window(self, x: Tensor, *rest: int) -> Window | None:
        return example_window(self.window(x), self._axis, *rest)

    def _thinned(self, x: Tensor, part: str, copies: int | None = None) -> Tensor | None:
        """The weight or the bias, thinned once, or for each of so many examples, which come first."""
        value: Tensor | None = getattr(self, part)
        if value is None or part not in self.parts:
            return value if value is None or copies is None else value.expand(copies, *value.shape)
        address = self.address(x, part)
        window = None if copies is None else self._window(x, *value.shape)
        whole = value if copies is None else value.expand(copies, *value.shape)
        return thin(whole, self.rate_at(self.p, address), address, (), window)

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        copies = (x.shape[self._axis],) if self._is_for_each(x) else ()
        return [(part, (*copies, *getattr(self, part).shape)) for part in self.parts]


class DropConnectLinear(_DropConnect, nn.Linear):
    """Drop single weights with probability `p` in training: `nn.Linear` with a thinned matrix.

        y = a(s (k w) x + s k' b),   s = 1 / (1 - T / 65536),   T = round(65536 p)

    As in the paper, `k` is drawn for each example (`per="example"`) and biases are dropped too. On the
    CPU no weights are made for all examples: see `thinned.torch.drop_connect`. With `per="batch"` one
    mask serves the whole batch, which is cheaper and noisier. Axes between `batch` and `in` (positions of a
    sequence) share the mask of their example. In a bound model the masks are `thinned.mask.keep` at the
    sites `name/weight`, of shape (batch, out, in) or (out, in), and `name/bias`.

    In evaluation, `inference="mean"` gives `a(w x + b)`, and `inference="moments"` what the paper proposes:
    each pre-activation is a normal variable with the mean and variance of
    `thinned.methods.dropconnect.moments`, and the output is the average of `a` over `samples` draws of it.
    The normal draws are the same for all examples and at all steps, so evaluation is a function of its input.

    Args:
        in_features: size of the last axis of the input.
        out_features: size of the last axis of the output.
        p: probability of dropping a weight, 0 <= p <= 1, or a schedule of the step; may be set later. The
            paper's `p` is the probability of keeping.
        per: "example" or "batch": who has a mask of its own.
        bias: whether there is one.
        drop_bias: whether it is dropped too.
        activation: `a`, which the layer applies; None is the identity.
        inference: "mean" or "moments"; the second needs an activation.
        samples: of an average, in evaluation by moments.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        device: as `nn.Linear`.
        dtype: as `nn.Linear`.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ConfigurationError: another word for `per` or `inference`, no such number of samples, or moments
            without an activation.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.DropConnectLinear(784, 256, p=0.5)
        >>> layer(torch.ones(32, 784)).shape
        torch.Size([32, 256])
        >>> careful = thinned.torch.DropConnectLinear(784, 256, activation=torch.relu, inference="moments")
        >>> bool((careful.eval()(torch.ones(1, 784)) >= 0).all())
        True

    References:
        Wan, Zeiler, Zhang, LeCun, Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013,
        https://proceedings.mlr.press/v28/wan13.html. We differ: rescaling at training time.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        p: float | Schedule = 0.5,
        per: str = "example",
        *,
        bias: bool = True,
        drop_bias: bool = True,
        activation: Callable[[Tensor], Tensor] | None = None,
        inference: str = "mean",
        samples: int = 1000,
        site: str | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self._begin(p, per, drop_bias, site)
        self.activation = activation
        self.inference = check_choice("inference", inference, INFERENCE)
        self.samples = check_samples(samples)
        if inference == "moments" and activation is None:
            raise ConfigurationError(
                "expected an activation with inference='moments', which averages it; got None. Pass "
                "activation=torch.relu, or use inference='mean', which without an activation is the same."
            )

    def forward(self, input: Tensor) -> Tensor:
        """Thin in training; in evaluation, and at p = 0, all weights."""
        if not self.training and self.inference == "moments":
            return self.averaged(input)
        if not self.training or self.p == 0:
            y = F.linear(input, self.weight, self.bias)
        else:
            y = self._one_for_each(input) if self._is_for_each(input) else self._one_for_all(input)
        return y if self.activation is None else self.activation(y)

    def averaged(self, input: Tensor) -> Tensor:
        """The mean of the activation over normal pre-activations, whatever the mode."""
        binding = self._binding
        return averaged(
            nn.Identity() if self.activation is None else self.activation,
            input,
            self.weight,
            self.bias,
            rate=self.stated_rate(),
            drop_bias="bias" in self.parts,
            samples=self.samples,
            seed=0 if binding is None else binding.seed,
            site=part_name(self._name, "inference"),
        )

    def _one_for_all(self, input: Tensor) -> Tensor:
        weight, bias = (self._thinned(input, part) for part in ("weight", "bias"))
        return F.linear(input, cast(Tensor, weight), bias)

    def _one_for_each(self, input: Tensor) -> Tensor:
        examples = input.movedim(self._axis, 0)
        address = self.address(input, "weight")
        window = self._window(input, *self.weight.shape)
        x, weight = _as_autocast(examples, self.weight)
        y = connect(x, weight, self.rate_at(self.p, address), address, (), window)
        bias = self._thinned(input, "bias", len(examples))
        if bias is not None:
            y = y + bias.to(y.dtype).reshape(len(examples), *(1,) * (y.dim() - 2), self.out_features)
        return y.movedim(0, self._axis)


def _as_autocast(*values: Tensor) -> tuple[Tensor, ...]:
    """What a matrix product is given where autocast is on."""
    device = values[0].device.type
    if not torch.amp.is_autocast_available(device) or not torch.is_autocast_enabled(device):
        return values
    return tuple(value.to(torch.get_autocast_dtype(device)) for value in values)


class _DropConnectConv(_DropConnect, nn.modules.conv._ConvNd):
    """A convolution whose kernels are thinned."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        p: float | Schedule = 0.5,
        per: str = "batch",
        *,
        drop_bias: bool = True,
        site: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, **options)
        self._begin(p, per, drop_bias, site)

    @property
    def _axis(self) -> int:
        return 0

    def forward(self, input: Tensor) -> Tensor:
        """Thin in training; in evaluation, and at p = 0, all weights."""
        if not self.training or self.p == 0:
            return self._convolved(input, self.weight, self.bias, self.groups)
        if self._is_for_each(input) and len(input):  # a convolution has at least one group
            return self._one_for_each(input)
        weight, bias = (self._thinned(input, part) for part in ("weight", "bias"))
        return self._convolved(input, cast(Tensor, weight), bias, self.groups)

    def _convolved(self, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        if self.padding_mode != "zeros":
            padded = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            return self._convolve(padded, weight, bias, 0, groups)
        return self._convolve(input, weight, bias, self.padding, groups)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None, padding: Any, groups: int) -> Tensor:
        convolve: Any = (F.conv1d, F.conv2d)[len(self.kernel_size) - 1]
        found: Tensor = convolve(x, weight, bias, self.stride, padding, self.dilation, groups)
        return found

    def _one_for_each(self, input: Tensor) -> Tensor:
        """Examples as groups of channels: each group has its own kernels."""
        size = input.shape[0]
        weight, bias = (self._thinned(input, part, size) for part in ("weight", "bias"))
        y = self._convolved(
            input.flatten(0, 1).unsqueeze(0),
            cast(Tensor, weight).flatten(0, 1),
            None if bias is None else bias.flatten(0, 1),
            self.groups * size,
        )
        each: Tensor = y.squeeze(0).unflatten(0, (size, self.out_channels))
        return each


class DropConnectConv1d(_DropConnectConv, nn.Conv1d):
    """Drop single weights of a kernel with probability `p` in training: `nn.Conv1d` with thinned kernels.

        y = (s k w) * x + s k' b,   s = 1 / (1 - T / 65536),   T = round(65536 p)

    A kernel is thinned once a call (`per="batch"`), and all its positions share the mask; or for each example
    (`per="example"`), by as many groups of one convolution, whose weights are then made: one copy an
    example. In a bound model the masks are `thinned.mask.keep` at the sites `name/weight` and `name/bias`,
    of the parameter's shape, or with the axis of the examples before it. (PyTorch 2.13's Inductor compiles no
    convolution whose number of groups and image sizes are both dynamic, so per example one of them must be
    static.)

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: of the kernel.
        p: probability of dropping a weight, 0 <= p <= 1, or a schedule of the step; may be set later. The
            paper's `p` is the probability of keeping.
        per: "batch" or "example": who has a mask of its own.
        drop_bias: whether biases are dropped too, as in the paper.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **options: `stride`, `padding`, `dilation`, `groups`, `bias`, `padding_mode`, `device`, `dtype` of
            PyTorch's.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ConfigurationError: another word for `per`.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.DropConnectConv1d(3, 8, 5, p=0.2, padding=2)
        >>> layer(torch.ones(4, 3, 16)).shape
        torch.Size([4, 8, 16])

    References:
        Wan, Zeiler, Zhang, LeCun, Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013,
        https://proceedings.mlr.press/v28/wan13.html. We differ: the paper thins fully connected layers
        alone; one mask for the batch, by default; rescaling at training time.
    """


class DropConnectConv2d(_DropConnectConv, nn.Conv2d):
    """Drop single weights of a kernel with probability `p` in training: `nn.Conv2d` with thinned kernels.

        y = (s k w) * x + s k' b,   s = 1 / (1 - T / 65536),   T = round(65536 p)

    All is as in `DropConnectConv1d`, in two dimensions.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: of the kernel, one number or two.
        p: probability of dropping a weight, 0 <= p <= 1, or a schedule of the step; may be set later.
        per: "batch" or "example": who has a mask of its own.
        drop_bias: whether biases are dropped too, as in the paper.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **options: of `nn.Conv2d`.

    Raises:
        RateError, ConfigurationError: as `DropConnectConv1d`.

    Example:
        >>> import torch, thinned.torch
        >>> layer = thinned.torch.DropConnectConv2d(3, 8, 3, p=0.2, per="example", padding=1)
        >>> layer(torch.ones(4, 3, 8, 8)).shape
        torch.Size([4, 8, 8, 8])

    References:
        Wan, Zeiler, Zhang, LeCun, Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013,
        https://proceedings.mlr.press/v28/wan13.html. We differ as `DropConnectConv1d` does.
    """
