"""Any law of `thinned.methods.laws` on tensors: eager, traced, and by itself, without an input."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from thinned.kernels.execute import Coordinates
from thinned.mask.sharing import Share, Window, shared_axes
from thinned.methods.law import Law, LawPlan, plan
from thinned.torch import _kernel, _operator, _plain
from thinned.torch._functional import by_operator, checked, is_transformed, operands, ragged
from thinned.torch._ticket import Coordinate, is_traced, signed, ticket

Address = tuple[Coordinate, Coordinate, Coordinate, Coordinate]


def apply(
    x: Tensor,
    law: Law,
    value: float | Tensor,
    address: Address,
    share: Share = (),
    window: Window | None = None,
    *,
    inplace: bool = False,
) -> Tensor:
    """A law on a tensor.

    Args:
        x: float tensor, any shape and strides.
        law: what is drawn and done.
        value: what the law's amount stands for: a rate, or a standard deviation; or a tensor of one number.
        address: seed, site, step, draw.
        share: axes along which one draw is shared.
        window: where `x` is part of a larger tensor.
        inplace: write over `x`, under autograd's rules.
    """
    if by_operator(x, value, address, window):
        if x.is_nested:
            return ragged(x, share, window, lambda values: apply(values, law, value, address))
        result = apply_at(x, law, ticket(value, address, law.measure), share, window)
    else:
        how = plan(tuple(x.shape), law, law.amount(cast(float, value)), share, window)
        result = _run(x, how, checked(address))
    return x.copy_(result) if inplace else result


def apply_at(x: Tensor, law: Law, at: Tensor, share: Share = (), window: Window | None = None) -> Tensor:
    """The registered operator, for a ticket: an int64 tensor (seed, site, step, draw, amount)."""
    run: Callable[..., Tensor] = _operator.transformed if is_transformed() else _operator.law
    return run(*operands(x, at, share, window), law.name)


def draws(
    shape: Sequence[int],
    law: Law,
    value: float | Tensor,
    address: Address,
    share: Share = (),
    window: Window | None = None,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """The draws of a law that only writes: the array's shape, with 1 on shared axes."""
    axes = shared_axes(len(shape), share)
    local = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    result = torch.empty(local, dtype=dtype or torch.get_default_dtype(), device=device)
    if by_operator(result, value, address, window):
        return apply_at(result, law, ticket(value, address, law.measure), share, window)
    _kernel.check_dtype(result)
    how = plan(local, law, law.amount(cast(float, value)), share, window)
    return _kernel.drawn(result, how, checked(address))


def _run(x: Tensor, how: LawPlan, where: Coordinates) -> Tensor:
    return cast(Tensor, _Law.apply(x, how, where))  # type: ignore[no-untyped-call]


def _again(x: Tensor, how: LawPlan | None, where: Coordinates) -> Tensor:
    """What a gradient is: a plan once more at its address. Itself differentiable, and traceable."""
    if how is None:
        return x
    if torch._C._functorch.is_legacy_batchedtensor(x):  # autograd's is_grads_batched, which knows no operator
        return _plain.law(x, how, where)
    if is_traced(x):
        layout = how.where
        seed, *rest = where
        at = torch.tensor([signed(seed), *rest, how.amount], dtype=torch.int64)
        return apply_at(x, how.law, at, layout.shared, (layout.logical_shape, layout.index))
    if torch.is_grad_enabled():
        return _run(x, how, where)
    return _kernel.law(x, how, where)


class _Law(torch.autograd.Function):
    """The fast path in eager mode: keeps a plan and an address, and no tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, how: LawPlan, where: Coordinates) -> Tensor:
        ctx.address = how.gradient(), where
        return _kernel.law(x, how, where)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _again(gradient, *ctx.address), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        return _again(tangent, *ctx.address)
