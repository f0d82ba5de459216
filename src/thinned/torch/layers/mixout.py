"""Mixout: a module whose weights are, by chance, those that it was pretrained to."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from thinned.errors import ConfigurationError
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._drawing import Drawing
from thinned.torch._mixout import mixout
from thinned.torch._shadow import run_with


class Mixout(Drawing):
    """Replace single weights by their pretrained values with probability `p` in training.

        w' = w0 + k (w - w0) / (1 - T / 65536),   T = round(65536 p),   E[w'] = w

    Wraps a module, and mixes all its parameters, once a call, for the whole batch. The parameters stay the
    raw weights at every moment that the module does not run. `w0` is frozen: buffers of this layer, in its
    state dict as `target/weight` and so on, beside the wrapped module's own keys behind `module.`. In a
    bound model the mask of a parameter is `thinned.mask.keep(parameter.shape, ...)` at the site
    `name/weight`, the same on all ranks.

    Args:
        module: pretrained, of any kind: a layer, or a whole encoder.
        p: probability of the pretrained weight, 0 <= p <= 1, or a schedule of the step; may be set later.
            The paper finds 0.7 to 0.9 good.
        target: `w0`, a module like `module` or tensors by the names of its parameters; the parameters as
            they are now, by default. Zeros make it dropout of weights.
        site: the name of its draws in a bound model; the layer's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ConfigurationError: a module without parameters, or a target that lacks one or has another shape.
        TypeError: no module, or a target that is neither a module nor tensors by their names.

    Example:
        >>> import torch, thinned.torch
        >>> pretrained = torch.nn.Linear(4, 3)
        >>> layer = thinned.torch.Mixout(pretrained, 0.9)
        >>> x = torch.ones(2, 4)
        >>> bool(torch.allclose(layer(x), pretrained(x)))  # before the first step w = w0
        True
        >>> layer.parts
        ('weight', 'bias')

    References:
        Lee, Cho, Kang, "Mixout: Effective Regularization to Finetune Large-scale Pretrained Language
        Models", 2020, https://arxiv.org/abs/1909.11299. We differ: biases are mixed too, as in the paper's
        text and not its code.
    """

    p: Any

    def __init__(
        self,
        module: nn.Module,
        p: float | Schedule = 0.5,
        target: nn.Module | Mapping[str, Tensor] | None = None,
        *,
        site: str | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(module, nn.Module):
            raise TypeError(f"expected a module whose weights are mixed; got {type(module).__name__}.")
        self.module = module
        self.p = check_rate(p)
        parameters = dict(module.named_parameters())
        self.parts = tuple(parameters)
        for name, value in _targets(parameters, target).items():
            self.register_buffer(_buffer(name), value)
        check_site(site)
        self.site = site

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Mix in training; in evaluation, and at p = 0, the module itself."""
        if not self.training or self.p == 0:
            return self.module(*args, **kwargs)
        parameters = dict(self.module.named_parameters())
        mixed = {}
        for name in self.parts:
            weight = parameters[name]
            seed, at, step, draw = address = self.address(_first(args, kwargs, weight), name)
            rate = self.rate_at(self.p, address)
            target = self.get_buffer(_buffer(name)).to(weight.dtype)
            mixed[name] = mixout(weight, target, rate, seed=seed, site=at, step=step, draw=draw)
        recurrent = any(isinstance(part, nn.RNNBase) for part in self.module.modules())
        if (
            torch.compiler.is_compiling() and not recurrent
        ):  # PyTorch's recurrent networks break a graph anyway
            return torch.func.functional_call(self.module, mixed, args, kwargs)
        return run_with(self.module, mixed, args, kwargs)

    def extra_repr(self) -> str:
        """The rate."""
        return f"p={self.p}" + (f", site={self.site!r}" if self.site is not None else "")

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        parameters = dict(self.module.named_parameters())
        return [(name, tuple(parameters[name].shape)) for name in self.parts]


def _buffer(name: str) -> str:
    """Where a parameter's target is: PyTorch allows no dots in the name of a buffer."""
    return "target/" + name.replace(".", "/")


def _targets(
    parameters: dict[str, nn.Parameter], target: nn.Module | Mapping[str, Tensor] | None
) -> dict[str, Tensor]:
    """A copy of each parameter's target."""
    given = dict(target.named_parameters()) if isinstance(target, nn.Module) else target
    if given is not None and not (
        isinstance(given, Mapping) and all(isinstance(value, Tensor) for value in given.values())
    ):
        raise TypeError(
            "expected a target as a module, or as tensors by the names of its parameters; got "
            f"{type(target).__name__}. Give module.state_dict() of the pretrained one."
        )
    found = {name: value if given is None else given.get(name) for name, value in parameters.items()}
    wrong = [name for name, value in found.items() if value is None or value.shape != parameters[name].shape]
    if wrong or not found:
        raise ConfigurationError(
            "expected a module with parameters, and for each of them a target of its shape; got "
            f"{'no such target for ' + ', '.join(map(repr, wrong)) if wrong else 'no parameters'}."
        )
    return {
        name: value.detach().to(parameters[name]).clone()
        for name, value in found.items()
        if value is not None
    }


def _first(args: tuple[Any, ...], kwargs: dict[str, Any], otherwise: Tensor) -> Tensor:
    """A tensor among the inputs: in a compiled graph it keeps the uses of a layer in their order."""
    return next((value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)), otherwise)
