"""Concrete dropout of tensors at an address: a relaxed mask, through which gradients flow to the rate.

A factor depends on the rate and on one of 65536 uniforms alone. So for a large tensor they are computed once, in
a table, and looked up. They are computed in float64 and rounded, in every way of running this, so that an element
comes out the same wherever it stands. Backward draws again: nothing is kept but the input, the rate and the
address.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor

from thinned.errors import RateError
from thinned.mask.rate import LEVELS
from thinned.mask.sharing import Share, Window, layout
from thinned.methods.concrete_dropout import check_positive, factor, logit_of, noise, slope
from thinned.methods.law import DRAW_UNIFORM
from thinned.torch import _operator
from thinned.torch._functional import is_transformed, operands, ragged
from thinned.torch._law import draws
from thinned.torch._ticket import Coordinate, ticket

Address = tuple[Coordinate, Coordinate, Coordinate, Coordinate]


def concrete_dropout(
    x: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
    temperature: float = 0.1,
) -> Tensor:
    """Multiply by a relaxed dropout mask, whose rate has a gradient.

        y = x (1 - z) / (1 - p),   z = sigmoid((log(p / (1 - p)) + log((1 - u) / u)) / t)

    `u = mask.uniform(x.shape, seed=..., ...)`, `p` is the rate and `t` the temperature.

    Args:
        x: float tensor, any shape and strides: float32, float64, bfloat16 or float16.
        rate: probability of dropping, 0 < rate < 1; or a tensor of one number, which may need a gradient.
        seed: the run.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where `x` is part of a larger tensor.
        temperature: how soft the mask is, above 0.

    Raises:
        RateError: a rate that is not between 0 and 1, or a temperature that is no finite number above 0.
        AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import torch, thinned.torch
        >>> rate = torch.tensor(0.5, requires_grad=True)
        >>> y = thinned.torch.concrete_dropout(torch.ones(4), rate, seed=0, site="fc1")
        >>> [round(value, 3) for value in y.tolist()]
        [0.039, 0.0, 1.944, 0.0]
        >>> y.sum().backward()
        >>> bool(rate.grad != 0)
        True

    References:
        Gal, Hron, Kendall, "Concrete Dropout", 2017, https://arxiv.org/abs/1705.07832. We differ: `u` stands for
        their `1 - u`, so that the mask becomes that of `dropout` as the temperature falls; it is one of the law's
        65536 values, none of which is 0 or 1, so that no epsilon is needed.
    """
    check_positive("a temperature", temperature)
    if isinstance(rate, Tensor):
        if rate.dim() or not rate.is_floating_point():
            raise RateError(
                f"expected a rate as one number or a floating-point tensor of one; got a {rate.dtype} tensor of "
                f"shape {tuple(rate.shape)}."
            )
        logit = torch.logit(rate)
    else:
        logit = torch.tensor(logit_of(rate), dtype=torch.float64, device=x.device)
    return relaxed(x, logit, temperature, (seed, site, step, draw), share, window)


def relaxed(
    x: Tensor,
    logit: Tensor,
    temperature: float,
    address: Address,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """`concrete_dropout` for the rate's logit, its address in one piece."""
    if x.is_nested:
        return ragged(x, share, window, lambda values: relaxed(values, logit, temperature, address))
    if is_transformed():
        u = draws(x.shape, DRAW_UNIFORM, 0, address, share, window, dtype=torch.float32, device=x.device)
        return _times(x, factor(logit.double(), -torch.logit(u.double()), temperature, torch.sigmoid))
    _, at, *place = operands(x, ticket(0, address), share, window)
    if torch.compiler.is_compiling():
        return cast(Tensor, _forward(x, logit, at, temperature, *place))
    return cast(Tensor, _Relaxed.apply(x, logit, at, temperature, *place))  # type: ignore[no-untyped-call]


def _times(x: Tensor, factors: Tensor) -> Tensor:
    """A product in float32, or float64, rounded once."""
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    return (x.to(exact) * factors.to(exact)).to(x.dtype)


@lru_cache(maxsize=8)
def _noise(device: torch.device) -> Tensor:
    return torch.tensor(noise(), device=device)


def _looked_up(
    x: Tensor, logit: Tensor, at: Tensor, temperature: float, place: Sequence[Any], *, slopes: bool
) -> tuple[Tensor, Tensor | None]:
    """The factors of a mask, and their derivatives by the logit."""
    share, *rest = place
    empty = torch.empty(layout(tuple(x.shape), tuple(share)).mask_shape, device=x.device, dtype=torch.float32)
    u = _operator.law(empty, at, list(share), *rest, DRAW_UNIFORM.name)
    half_words = u.mul_(LEVELS).to(torch.int32).view(-1)  # u = (h + 1/2) / 65536, so this cuts the half
    table, wide, large = _noise(x.device), logit.double(), half_words.numel() > LEVELS
    if not large:
        table = table.index_select(0, half_words)
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    factors = factor(wide, table, temperature, torch.sigmoid)
    found = [factors.to(exact)]
    if slopes:
        found.append((factors * slope(wide, table, temperature, torch.sigmoid)).to(exact))
    if large:
        found = [values.index_select(0, half_words) for values in found]
    values, *rest = [values.view(u.shape) for values in found]
    return values, rest[0] if slopes else None


def _gradients(
    gradient: Tensor, x: Tensor, logit: Tensor, at: Tensor, temperature: float, place: Sequence[Any]
) -> tuple[Tensor, Tensor]:
    """Of the input and of the logit, in operations that have gradients themselves."""
    factors, slopes = _looked_up(x, logit, at, temperature, place, slopes=True)
    assert slopes is not None  # noqa: S101 - for the type checker
    by_logit = (gradient.to(slopes.dtype) * x.to(slopes.dtype) * slopes).sum()
    return _times(gradient, factors), by_logit.to(logit.dtype)


class _Relaxed(torch.autograd.Function):
    """In eager mode."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, logit: Tensor, at: Tensor, temperature: float, *place: Any) -> Tensor:
        ctx.save_for_backward(x, logit, at)
        ctx.rest = temperature, place
        return _times(x, _looked_up(x, logit, at, temperature, place, slopes=False)[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        return *_gradients(gradient, *ctx.saved_tensors, *ctx.rest), *[None] * 6


@torch.library.custom_op("thinned::relaxed", mutates_args=())
def _forward(
    x: Tensor,
    logit: Tensor,
    ticket: Tensor,
    temperature: float,
    share: Sequence[int],
    global_shape: Sequence[int],
    starts: Sequence[int],
    id_axes: Sequence[int],
) -> Tensor:
    """In a compiled graph."""
    place = share, global_shape, starts, id_axes
    return _times(x, _looked_up(x, logit, ticket, temperature, place, slopes=False)[0])


@torch.library.custom_op("thinned::relaxed_gradient", mutates_args=())
def _backward(
    gradient: Tensor,
    x: Tensor,
    logit: Tensor,
    ticket: Tensor,
    temperature: float,
    share: Sequence[int],
    global_shape: Sequence[int],
    starts: Sequence[int],
    id_axes: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """Its gradient there."""
    return _gradients(gradient, x, logit, ticket, temperature, (share, global_shape, starts, id_axes))


@_forward.register_fake
def _(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x)


@_backward.register_fake
def _(gradient: Tensor, x: Tensor, logit: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(gradient), torch.empty_like(logit)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.temperature, share, global_shape, starts, id_axes = inputs
    ctx.save_for_backward(*tensors)
    ctx.place = share, global_shape, starts, id_axes


_forward.register_autograd(
    lambda ctx, gradient: (
        *_backward(gradient, *ctx.saved_tensors, ctx.temperature, *ctx.place),
        *[None] * 6,
    ),
    setup_context=_setup,
)
