"""`torch.ops.thinned.thin`: the law as one registered operator, for every transformation that traces.

    thin(x, ticket, share, global_shape, starts, id_axes) -> y

`ticket` is an int64 tensor: seed, site, step, draw, threshold, and behind them the global indices of the
axes in `id_axes`, one after the other. All of it is data and never a constant, so a step that moves
recompiles nothing, and `vmap` batches seeds and rates alike. The operator is linear in `x`, its gradient is
itself at the same ticket, and nothing but the ticket is saved.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from thinned.mask.plan import Plan
from thinned.mask.rate import LEVELS, scale
from thinned.mask.sharing import Window, layout
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
    seed, site, step, draw, level, *ids = ticket.tolist()
    index: list[Any] = list(starts)
    for axis in id_axes:
        index[axis], ids = np.array(ids[: x.shape[axis]], np.int64), ids[x.shape[axis] :]
    window: Window | None = (tuple(global_shape), index) if len(global_shape) else None
    # Traced coordinates count modulo their widths (SPEC, section 9).
    address = (seed % (1 << 64), site % (1 << 32), step % (1 << 32), draw % (1 << 16))
    level = min(max(level, 0), LEVELS)
    how = Plan(layout(x.shape, tuple(share), window), level, scale(level))
    return _kernel.thin(_kernel.DROP, x, how, address)


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


@thin.register_vmap
def _vmap(info: Any, in_dims: tuple[Any, ...], x: Tensor, ticket: Tensor, *rest: Any) -> tuple[Tensor, int]:
    return _lanes(thin, info.batch_size, in_dims, x, ticket, *rest)


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
) -> tuple[Tensor, int]:
    """What `vmap` means: a batched ticket draws for each lane, an unbatched one is one mask for all."""
    x_dim, ticket_dim, *_ = in_dims
    lanes = x if x_dim is None else x.movedim(x_dim, 0)
    if ticket_dim is None:
        # The lane axis is one more shared axis.
        axes = [0, *(axis + 1 for axis in share)]
        sizes, first = ([1, *global_shape], [0, *starts]) if len(global_shape) else ([], [])
        return each(lanes, ticket, axes, sizes, first, [axis + 1 for axis in id_axes]), 0
    results = [
        each(
            x if x_dim is None else lanes[lane],
            ticket.select(ticket_dim, lane),
            share,
            global_shape,
            starts,
            id_axes,
        )
        for lane in range(size)
    ]
    return torch.stack(results), 0


class Transformed(torch.autograd.Function):
    """`thin` under `torch.func`, whose `grad` and `jvp` refuse the autograd of a registered operator."""

    @staticmethod
    def forward(x: Tensor, ticket: Tensor, *rest: Any) -> Tensor:
        return cast(Tensor, thin(x, ticket, *rest))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ticket, *ctx.rest = inputs
        ctx.save_for_backward(ticket)
        ctx.save_for_forward(ticket)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        (ticket,) = ctx.saved_tensors
        return transformed(gradient, ticket, *ctx.rest), None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        (ticket,) = ctx.saved_tensors
        return transformed(tangent, ticket, *ctx.rest)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], x: Tensor, ticket: Tensor, *rest: Any
    ) -> tuple[Tensor, int]:
        return _lanes(transformed, info.batch_size, in_dims, x, ticket, *rest)


def transformed(*arguments: Any) -> Tensor:
    """`Transformed` as a function."""
    return cast(Tensor, Transformed.apply(*arguments))  # type: ignore[no-untyped-call]
