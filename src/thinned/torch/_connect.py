"""Products with weights that are thinned anew for each example: kernel, registered operator, plain way."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor

from thinned.errors import DtypeError, ShapeError
from thinned.kernels.execute import Coordinates
from thinned.kernels.product import Operands, fits, gradients, multiply
from thinned.mask.address import coordinates
from thinned.mask.plan import Plan
from thinned.mask.rate import LEVELS, scale
from thinned.mask.sharing import Share, Window, layout, shared_axes
from thinned.methods.dropout import plan
from thinned.torch import _kernel, _plain
from thinned.torch._functional import thin
from thinned.torch._kernel import _TEAM, DTYPES, check_dtype
from thinned.torch._ticket import Coordinate, is_forward_mode, is_traced, ticket


def drop_connect(
    x: Tensor,
    weight: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Multiply by a matrix of which each example has a thinned copy of its own, which is never made.

        y[b, ..., o] = sum_i k[b, o, i] weight[o, i] x[b, ..., i] / (1 - T / 65536)
        k = mask.keep((batch, out, in), rate, seed=..., ...)

    On the CPU, forward and backward draw the mask where they multiply: beside the output and the gradients
    they use a few kilobytes; where an example has many positions, its own thinned weights, one example after the
    other. Elsewhere, and under `torch.func`, the thinned weights of all examples are made.

    Args:
        x: float tensor, axes (batch, ..., in).
        weight: float tensor of the same dtype, axes (out, in).
        rate: probability of dropping a connection, 0 <= rate <= 1; or a tensor of one number, which quantises.
        seed: the run, as `dropout` takes it.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes of (batch, out, in) along which one draw is shared; 0 is one mask for the whole batch.
        window: `(global_shape, index)` of the mask with axes (batch, out, in), where it is part of a larger
            one.

    Returns:
        Tensor with axes (batch, ..., out).

    Raises:
        RateError, AddressError, ShareError, WindowError: see `thinned.errors`.
        DtypeError: no float tensors, or two types.
        ShapeError: shapes that do not fit.

    Example:
        >>> import torch, thinned
        >>> x, weight = torch.ones(2, 4), torch.ones(3, 4)
        >>> thinned.torch.drop_connect(x, weight, 0.5, seed=0)
        tensor([[6., 8., 4.],
                [4., 2., 0.]])
        >>> 2 * torch.from_numpy(thinned.mask.keep((2, 3, 4), 0.5, seed=0)).sum(2)
        tensor([[6, 8, 4],
                [4, 2, 0]])

    References:
        Wan, Zeiler, Zhang, LeCun, Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013,
        https://proceedings.mlr.press/v28/wan13.html. We differ: rescaling at training time.
    """
    return connect(x, weight, rate, (seed, site, step, draw), share, window)


def connect(
    x: Tensor,
    weight: Tensor,
    rate: float | Tensor,
    address: tuple[Coordinate, Coordinate, Coordinate, Coordinate],
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """`drop_connect` with its address in one piece."""
    _check(x, weight)
    rows = x.unsqueeze(1) if x.dim() == 2 else x.flatten(1, -2)
    return _connect(rows, weight, rate, address, share, window).reshape(*x.shape[:-1], weight.shape[0])


def _connect(
    x: Tensor,
    weight: Tensor,
    rate: float | Tensor,
    address: tuple[Coordinate, Coordinate, Coordinate, Coordinate],
    share: Share,
    window: Window | None,
) -> Tensor:
    """For `x` with axes (batch, time, in)."""
    shape = (x.shape[0], *weight.shape)
    ids = window is not None and not all(isinstance(start, (int, torch.SymInt)) for start in window[1])
    transformed = not torch.compiler.is_compiling() and (
        torch._C._functorch.peek_interpreter_stack() is not None or is_forward_mode()
    )
    if share != () or transformed or not x.numel() or not x.is_cpu or x.is_nested:
        return _made(x, weight, rate, address, share, window)
    if is_traced(x, rate, *address) or is_traced(weight):
        if ids:
            return _made(x, weight, rate, address, share, window)
        sizes, starts = ([], []) if window is None else (list(window[0]), list(window[1]))
        exact = _exact(x)
        found: Tensor = operator(
            x.to(exact).contiguous(), weight.to(exact).contiguous(), ticket(rate, address), sizes, starts
        )
        return found.to(x.dtype)
    how = plan(shape, cast(float, rate), (), window)
    if not fits(how.where):
        return _made(x, weight, rate, address, share, window)
    exact, where = _exact(x), coordinates(*cast(Coordinates, address))
    y = _Connect.apply(x.to(exact), weight.to(exact), how, where)  # type: ignore[no-untyped-call]
    return cast(Tensor, y).to(x.dtype)


def _check(x: Tensor, weight: Tensor) -> None:
    check_dtype(x)
    check_dtype(weight)
    if x.dtype != weight.dtype:
        raise DtypeError(
            f"expected x and weight of one dtype; got {x.dtype} and {weight.dtype}. Convert one of them."
        )
    if weight.dim() != 2 or x.dim() < 2 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"expected x with axes (batch, ..., in) and weight with axes (out, in); got shapes {tuple(x.shape)} "
            f"and {tuple(weight.shape)}."
        )


def _exact(x: Tensor) -> torch.dtype:
    """What is computed in: half types are widened, and the sum is rounded once."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _made(
    x: Tensor,
    weight: Tensor,
    rate: float | Tensor,
    address: tuple[Coordinate, Coordinate, Coordinate, Coordinate],
    share: Share,
    window: Window | None,
) -> Tensor:
    """The same by making the thinned weights: one copy an example, or one where the batch shares it."""
    one = 0 in shared_axes(3, share)
    copies = weight.unsqueeze(0) if one else weight.expand(x.shape[0], *weight.shape)
    return torch.matmul(x, thin(copies, rate, address, share, window).mT)


_MANY = 16
"""Positions of an example from which on its thinned weights are worth making, for the sake of matrix products."""


@lru_cache(maxsize=16)
def _examples(how: Plan) -> tuple[Plan, ...]:
    """The plan of each example's weights, axes (1, out, in)."""
    where = how.where
    rows, *rest = where.index
    ids = range(rows, rows + where.shape[0]) if isinstance(rows, int) else rows.tolist()
    windows = ((where.logical_shape, (row, *rest)) for row in ids)
    return tuple(
        Plan(layout((1, *where.shape[1:]), (), window), how.threshold, how.scale) for window in windows
    )


def _thinned(weight: Tensor, own: Plan, where: Coordinates) -> Tensor:
    """A matrix with one example's mask."""
    weight = weight.unsqueeze(0)
    return _kernel.thin(_kernel.DROP, weight, _kernel.ready(weight, own), where)[0]


def _multiplied(x: Tensor, weight: Tensor, how: Plan, where: Coordinates) -> Tensor:
    y = x.new_empty(*x.shape[:2], weight.shape[0])
    if not y.numel() or not x.numel():
        return y.zero_()
    if x.shape[1] >= _MANY:
        for rows, out, own in zip(x, y, _examples(how), strict=True):
            torch.mm(rows, _thinned(weight, own, where).t(), out=out)
        return y
    x, weight = x.contiguous(), weight.contiguous()
    operands = Operands(DTYPES[x.dtype], x.data_ptr(), weight.data_ptr(), y.data_ptr(), owners=(x, weight, y))
    multiply(operands, x.shape[1], how, where, threads=torch.get_num_threads(), team=_TEAM)
    return y


def _gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, how: Plan, where: Coordinates, wanted: Sequence[bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Of `x` and of the weight, where they are wanted."""
    found = [
        torch.zeros_like(value) if want else None for value, want in zip((x, weight), wanted, strict=True)
    ]
    if x.shape[1] >= _MANY and gradient.numel() and x.numel():
        for place, (rows, slope, own) in enumerate(zip(x, gradient, _examples(how), strict=True)):
            if found[0] is not None:
                torch.mm(slope, _thinned(weight, own, where), out=found[0][place])
            if found[1] is not None:
                found[1] += _thinned(slope.t() @ rows, own, where)
    elif gradient.numel() and x.numel() and any(wanted):
        x, weight, gradient = x.contiguous(), weight.contiguous(), gradient.contiguous()
        found = [
            torch.empty_like(value) if want else None for value, want in zip((x, weight), wanted, strict=True)
        ]
        dx, dw = (0 if value is None else value.data_ptr() for value in found)
        operands = Operands(
            DTYPES[x.dtype], x.data_ptr(), weight.data_ptr(), gradient.data_ptr(), dx, dw,
            (x, weight, gradient, *found),
        )  # fmt: skip
        gradients(operands, x.shape[1], how, where, threads=torch.get_num_threads(), team=_TEAM)
    return found[0], found[1]


class _Connect(torch.autograd.Function):
    """The fast path in eager mode; keeps its inputs, as every product does, and the address."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, how: Plan, where: Coordinates) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.address = how, where
        return _multiplied(x, weight, how, where)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        how, where = ctx.address
        if (
            torch.is_grad_enabled()
            or is_traced(gradient)
            or torch._C._functorch.is_legacy_batchedtensor(gradient)
        ):
            return *_plain_gradients(gradient, x, weight, how, where), None, None
        return *_gradients(gradient, x, weight, how, where, ctx.needs_input_grad[:2]), None, None


def _plain_gradients(
    gradient: Tensor, x: Tensor, weight: Tensor, how: Plan, where: Coordinates
) -> tuple[Tensor, Tensor]:
    """The same with the mask made, in operations that can be differentiated again and batched."""
    kept = _plain.keep(how.where, where, how.threshold, x.device)
    factor = torch.tensor(how.scale, dtype=x.dtype, device=x.device)
    thinned = torch.where(kept, weight, 0) * factor
    products = torch.where(kept, gradient.mT @ x, 0) * factor
    return gradient @ thinned, products.sum(-3)


@torch.library.custom_op("thinned::connect", mutates_args=())
def operator(
    x: Tensor, weight: Tensor, ticket: Tensor, global_shape: Sequence[int], starts: Sequence[int]
) -> Tensor:
    """Execute the ticket's mask in a product of (batch, time, in) and (out, in)."""
    return _multiplied(x, weight, *_at(x, weight, ticket, global_shape, starts))


@torch.library.custom_op("thinned::connect_gradients", mutates_args=())
def operator_gradients(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    ticket: Tensor,
    global_shape: Sequence[int],
    starts: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """The gradients of `x` and of the weight."""
    found = _gradients(
        gradient, x, weight, *_at(x, weight, ticket, global_shape, starts), wanted=(True, True)
    )
    return cast(tuple[Tensor, Tensor], found)


def _at(
    x: Tensor, weight: Tensor, ticket: Tensor, global_shape: Sequence[int], starts: Sequence[int]
) -> tuple[Plan, Coordinates]:
    seed, site, step, draw, level = ticket.tolist()
    window = (tuple(global_shape), tuple(starts)) if len(global_shape) else None
    level = min(max(level, 0), LEVELS)
    how = Plan(layout((x.shape[0], *weight.shape), (), window), level, scale(level))
    # Traced coordinates count modulo their widths (SPEC, section 1.3).
    return how, (seed % (1 << 64), site % (1 << 32), step % (1 << 32), draw % (1 << 16))


@operator.register_fake
def _(x: Tensor, weight: Tensor, *_: Any) -> Tensor:
    return x.new_empty(*x.shape[:2], weight.shape[0])


@operator_gradients.register_fake
def _(gradient: Tensor, x: Tensor, weight: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(weight)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, at, *ctx.rest = inputs
    ctx.save_for_backward(x, weight, at)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    x, weight, at = ctx.saved_tensors
    found = operator_gradients(gradient.contiguous(), x, weight, at, *ctx.rest)
    return *found, None, None, None


operator.register_autograd(_backward, setup_context=_setup)
