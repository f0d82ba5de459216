"""`torch.ops.thinned.thin` and `law`: masks as registered operators, for every transformation that traces.

    thin(x, ticket, share, global_shape, starts, id_axes) -> y
    law(x, ticket, share, global_shape, starts, id_axes, name) -> y

`ticket` is an int64 tensor: seed, site, step, draw, threshold, and behind them the global indices of the
axes in `id_axes`, one after the other. All of it is data and never a constant, so a step that moves
recompiles nothing, and `vmap` batches seeds and rates alike. The operator is linear in `x`, its gradient is
itself at the same ticket, and nothing but the ticket is saved. `law` is the same for what `thinned.methods.laws`
names; its gradient is the law that the named one says, at the same ticket.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from thinned.kernels.execute import Coordinates
from thinned.mask.plan import Plan
from thinned.mask.rate import LEVELS, scale
from thinned.mask.sharing import Window, layout
from thinned.methods.law import THIN, plan
from thinned.methods.laws import LAWS
from thinned.torch import _kernel


@torch.library.custom_op("thinned::thin", mutates_args=())
def thin(
    x: Tensor,
    ticket: Tensor,
    share: Sequence[int],
    global_shape: Sequence[int],
    starts: Sequence[int],
    id_axes: Sequence[int],
) -> Tensor:
    """Execute the ticket's mask on `x`; `global_shape` empty means no window."""
    address, level, window = _read(x, ticket, global_shape, starts, id_axes)
    level = min(max(level, 0), LEVELS)
    how = Plan(layout(x.shape, tuple(share), window), level, scale(level))
    return _kernel.thin(_kernel.DROP, x, _kernel.ready(x, how), address)


@torch.library.custom_op("thinned::law", mutates_args=())
def law(
    x: Tensor,
    ticket: Tensor,
    share: Sequence[int],
    global_shape: Sequence[int],
    starts: Sequence[int],
    id_axes: Sequence[int],
    name: str,
) -> Tensor:
    """Execute the law of a name on `x`."""
    if name == THIN.name:
        return cast(Tensor, thin(x, ticket, share, global_shape, starts, id_axes))
    address, amount, window = _read(x, ticket, global_shape, starts, id_axes)
    return _kernel.law(x, plan(tuple(x.shape), LAWS[name], amount, tuple(share), window), address)


def _read(
    x: Tensor, ticket: Tensor, global_shape: Sequence[int], starts: Sequence[int], id_axes: Sequence[int]
) -> tuple[Coordinates, int, Window | None]:
    """An operator's arguments as address, amount and window."""
    seed, site, step, draw, amount, *ids = ticket.tolist()
    index: list[Any] = list(starts)
    for axis in id_axes:
        index[axis], ids = np.array(ids[: x.shape[axis]], np.int64), ids[x.shape[axis] :]
    window: Window | None = (tuple(global_shape), index) if len(global_shape) else None
    # Traced coordinates count modulo their widths (SPEC, section 9).
    return (seed % (1 << 64), site % (1 << 32), step % (1 << 32), draw % (1 << 16)), amount, window


@law.register_fake
@thin.register_fake
def _fake(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, ticket, *ctx.rest = inputs
    ctx.save_for_backward(ticket)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    (ticket,) = ctx.saved_tensors
    return thin(gradient, ticket, *ctx.rest), None, None, None, None, None


thin.register_autograd(_backward, setup_context=_setup)


def _law_backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    (ticket,) = ctx.saved_tensors
    return _slope(law, gradient, ticket, *ctx.rest), *[None] * 6


def _slope(each: Callable[..., Tensor], gradient: Tensor, ticket: Tensor, *rest: Any) -> Tensor:
    """What the gradient of a law does."""
    *where, name = rest
    after = LAWS[name].gradient
    return gradient.clone() if after is None else each(gradient, ticket, *where, after.name)


law.register_autograd(_law_backward, setup_context=_setup)


@thin.register_vmap
def _vmap(info: Any, in_dims: tuple[Any, ...], x: Tensor, ticket: Tensor, *rest: Any) -> tuple[Tensor, int]:
    return _lanes(thin, info.batch_size, in_dims, x, ticket, *rest)


@law.register_vmap
def _law_vmap(
    info: Any, in_dims: tuple[Any, ...], x: Tensor, ticket: Tensor, *rest: Any
) -> tuple[Tensor, int]:
    return _lanes(law, info.batch_size, in_dims, x, ticket, *rest)


def _lanes(
    each: Callable[..., Tensor],
    size: int,
    in_dims: tuple[Any, ...],
    x: Tensor,
    ticket: Tensor,
    share: Sequence[int],
    global_shape: Sequence[int],
    starts: Sequence[int],
    id_axes: Sequence[int],
    *name: str,
) -> tuple[Tensor, int]:
    """What `vmap` means: a batched ticket draws for each lane, an unbatched one is one mask for all."""
    x_dim, ticket_dim, *_ = in_dims
    lanes = x if x_dim is None else x.movedim(x_dim, 0)
    if ticket_dim is None:
        # The lane axis is one more shared axis.
        axes = [0, *(axis + 1 for axis in share)]
        sizes, first = ([1, *global_shape], [0, *starts]) if len(global_shape) else ([], [])
        return each(lanes, ticket, axes, sizes, first, [axis + 1 for axis in id_axes], *name), 0
    results = [
        each(
            x if x_dim is None else lanes[lane],
            ticket.select(ticket_dim, lane),
            share,
            global_shape,
            starts,
            id_axes,
            *name,
        )
        for lane in range(size)
    ]
    return torch.stack(results), 0


class Transformed(torch.autograd.Function):
    """`law` under `torch.func`, whose `grad` and `jvp` refuse the autograd of a registered operator."""

    @staticmethod
    def forward(x: Tensor, ticket: Tensor, *rest: Any) -> Tensor:
        return cast(Tensor, law(x, ticket, *rest))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ticket, *ctx.rest = inputs
        ctx.save_for_backward(ticket)
        ctx.save_for_forward(ticket)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        (ticket,) = ctx.saved_tensors
        return _slope(transformed, gradient, ticket, *ctx.rest), *[None] * 6

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        (ticket,) = ctx.saved_tensors
        return _slope(transformed, tangent, ticket, *ctx.rest)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], x: Tensor, ticket: Tensor, *rest: Any
    ) -> tuple[Tensor, int]:
        return _lanes(transformed, info.batch_size, in_dims, x, ticket, *rest)


def transformed(
    x: Tensor,
    ticket: Tensor,
    share: Sequence[int],
    global_shape: Sequence[int],
    starts: Sequence[int],
    id_axes: Sequence[int],
    name: str = THIN.name,
) -> Tensor:
    """`Transformed` as a function."""
    return cast(Tensor, Transformed.apply(x, ticket, share, global_shape, starts, id_axes, name))  # type: ignore[no-untyped-call]
