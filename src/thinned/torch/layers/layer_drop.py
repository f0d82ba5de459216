"""LayerDrop: a stack of layers, of which each step runs some."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from thinned.errors import BindError
from thinned.mask.rate import threshold
from thinned.mask.single import first_kept
from thinned.methods.layer_drop import check_stride
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site
from thinned.torch._drawing import Address, Drawing
from thinned.torch._functional import thin
from thinned.torch._skipped import decides_by_data, is_off, skipped


class LayerDrop(Drawing, nn.ModuleList):
    """A stack that leaves each of its layers out, for the whole batch, with probability `p` in training.

        x <- k[i] layer_i(x) + (1 - k[i]) x,   i = 0, 1, ...,   k = mask.keep((layers,), p, ...)

    An `nn.ModuleList` that can also be called: `stack(x)` runs its layers one behind the other. A dropped layer
    **is not run**; its parameters have gradients of zero and not none, and all ranks of a bound model drop the same
    layers (see `StochasticDepth`, which also says what differs under `torch.compile`). Nothing is rescaled, as in
    the paper. Iterating gives all layers, as everywhere; a slice is a stack of its own, and free until it is bound.

    Args:
        modules: called as `layer(x, *args, **kwargs)`, each returns one tensor like `x`.
        p: probability of dropping, 0 <= p <= 1, or a schedule of the step; may be set later.
        site: the name of its draws in a bound model; the stack's qualified name, by default.

    Raises:
        RateError: `p` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ValueError: when called, a layer whose result has not the shape of its input.

    Example:
        >>> import torch, thinned.torch
        >>> stack = thinned.torch.LayerDrop([torch.nn.Linear(4, 4) for _ in range(6)], p=0.5)
        >>> stack(torch.ones(2, 4)).shape
        torch.Size([2, 4])
        >>> len(stack), len(stack.keep_every(2))
        (6, 3)

    References:
        Fan, Grave, Joulin, "Reducing Transformer Depth on Demand with Structured Dropout", 2020,
        https://arxiv.org/abs/1909.11556.
    """

    p: Any

    def __init__(
        self, modules: Iterable[nn.Module] = (), p: float | Schedule = 0.2, *, site: str | None = None
    ) -> None:
        super().__init__(modules)
        self.p = check_rate(p)
        check_site(site)
        self.site = site

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Run the layers that are kept; in evaluation, all."""
        layers = list(self)
        if is_off(self, self.p):
            for layer in layers:
                x = layer(x, *args, **kwargs)
            return x
        address = self.address(x)
        rate = self.rate_at(self.p, address)
        if decides_by_data(x, rate, address):
            mask = thin(torch.ones(len(layers), device=x.device), rate, address) != 0
            for place, layer in enumerate(layers):
                x = torch.where(mask[place], _like(x, layer, layer(x, *args, **kwargs)), x)
            return x
        kept = self._kept(rate, address)
        for layer, runs in zip(layers, kept, strict=True):
            x = _like(x, layer, layer(x, *args, **kwargs)) if runs else x
        dropped = [layer for layer, runs in zip(layers, kept, strict=True) if not runs]
        return skipped(x, dropped, (args, kwargs)) if dropped else x

    def running(self, x: Tensor) -> list[nn.Module]:
        """The layers that one call runs, for a loop of your own, whose layers return more than a tensor.

            for layer in stack.running(x):
                x, attention = layer(x)

        Each call of it is a draw. Layers that are not among them have no gradients in such a step.

        Args:
            x: what the first layer will be given.

        Raises:
            BindError: under `torch.compile` or another transformation, where Python cannot know them.
        """
        if is_off(self, self.p):
            return list(self)
        address = self.address(x)
        rate = self.rate_at(self.p, address)
        if decides_by_data(x, rate, address):
            raise BindError(
                "expected eager code, where Python can know which layers run; got torch.compile or another "
                "transformation. Call the stack itself, stack(x), or compile its layers one by one."
            )
        return [layer for layer, runs in zip(self, self._kept(rate, address), strict=True) if runs]

    def keep_every(self, n: int) -> "LayerDrop":
        """A stack of layers 0, n, 2n, ...: the same modules, for inference with a part of the depth.

        Args:
            n: 1 keeps all, 2 every other one, as the paper prunes.

        Raises:
            ValueError: `n` is no whole number of at least 1.
        """
        check_stride(n)
        return self._some(list(self)[::n])

    def _some(self, layers: list[nn.Module]) -> "LayerDrop":
        some = LayerDrop(layers, self.p, site=self.site)
        some.training = self.training  # a part of what is evaluated must not drop
        return some

    def _kept(self, rate: float, address: Address) -> tuple[bool, ...]:
        return first_kept(len(self), threshold(rate), address)  # type: ignore[arg-type]

    def __getitem__(self, index: Any) -> Any:
        # PyTorch's makes a stack of a slice, and would forget the rate and the mode.
        if isinstance(index, slice):
            return self._some(list(self)[index])
        return super().__getitem__(index)

    def __repr__(self) -> str:
        """PyTorch's, which folds equal layers into one line, with the rate in front."""
        site = "" if self.site is None else f", site={self.site!r}"
        return super().__repr__().replace("(", f"(p={self.p}{site}", 1)

    def draws(self, x: Tensor) -> list[tuple[str, tuple[int, ...] | None]]:
        return [("", (len(self),))]


def _like(x: Tensor, layer: nn.Module, y: Any) -> Tensor:
    """What a layer gave, which must be able to stand where its input stood."""
    if not isinstance(y, Tensor) or y.shape != x.shape:
        what = f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise ValueError(
            f"expected layers that return a tensor of their input's shape, {tuple(x.shape)}, since any of them may "
            f"be dropped; got {what} from {type(layer).__name__}. For other layers write the loop over running(x)."
        )
    return y
