"""DropBlock of tensors at an address.

`torch.ops.thinned.drop_block(x, ticket, rate, block, share, size, start)` is the same where something traces.
`ticket` is an int64 tensor: seed, site, step, draw, and behind them the samples' places in the global batch where
they are no stretch of it. With `rate`, a float64 of one number, it is data, so that neither a step nor a rate
recompiles anything. `size` and `start` say where the batch lies in the global one; `size` is 0 where it is all.

The operation is linear in `x`, scale and all, so its gradient is itself at the same address, and nothing is saved.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from thinned.errors import RateError
from thinned.kernels import blocks
from thinned.kernels.execute import Coordinates
from thinned.mask.address import coordinates
from thinned.mask.rate import LEVELS
from thinned.mask.sharing import Share, Window
from thinned.methods.drop_block import (
    BlockPlan,
    BlockSize,
    block_sizes,
    plan,
    seed_threshold,
    seed_window,
    shared_channels_or_samples,
)
from thinned.torch import _kernel, _plain
from thinned.torch._functional import _ids, _is_start
from thinned.torch._ticket import Coordinate, is_forward_mode, is_traced, signed, ticket

Address = tuple[Coordinate, Coordinate, Coordinate, Coordinate]

_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


def drop_block(
    x: Tensor,
    rate: float | Tensor,
    block_size: BlockSize,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Zero whole blocks of a feature map, and scale each sample by the share of it that is kept.

        y = x m n / sum(m),   m[p] = no seed in [p, p + block_size - 1],   P(seed) = gamma
        gamma = 1 - (1 - rate)^(1 / block_size^d)

    over the `n` elements of a sample, with `d` axes of positions. Every element is dropped with probability `rate`,
    at a border as in the middle, since blocks may begin outside the map; so any size of block will do, even ones
    and ones larger than the map. The seeds are drawn in the wide variant of the law, axes (batch, channel, *seeds),
    with `length + block_size - 1` seeds on an axis. A sample of which nothing is kept becomes 0. Nothing is saved
    for backward but the address. A dropped NaN or infinity becomes 0.

    Args:
        x: float tensor, axes (batch, channel, *positions), with one to three axes of positions: float32, float64,
            bfloat16 or float16.
        rate: probability that an element is dropped, 0 <= rate <= 1; or a tensor of one number, which is rounded to
            a multiple of 1/65536.
        block_size: an integer, or one for each axis of positions.
        seed: the run: an integer in [-2^63, 2^64), or an integer tensor.
        site: the place in the network: a name, an integer in [0, 2^32), or an integer tensor.
        step: the training step, in [0, 2^32), or an integer tensor.
        draw: which of several draws, in [0, 2^16), or an integer tensor.
        share: 1 where all channels of a sample drop the same positions, 0 where all samples do; or both.
        window: `(global_shape, index)` where `x` is part of a larger batch; whole on the other axes.

    Returns:
        Tensor like `x`: same shape, dtype, device, memory format.

    Raises:
        RateError, AddressError, ShapeError, ShareError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.drop_block(torch.ones(1, 1, 4, 8), 0.4, 3, seed=5)[0, 0].bool().int()
        tensor([[0, 0, 0, 0, 0, 1, 1, 1],
                [0, 0, 0, 0, 0, 1, 1, 0],
                [0, 0, 0, 0, 0, 0, 1, 0],
                [1, 1, 0, 0, 0, 0, 1, 0]], dtype=torch.int32)

    References:
        Ghiasi, Lin, Le, "DropBlock: A Regularization Method for Convolutional Networks", 2018,
        https://arxiv.org/abs/1810.12890. We differ: blocks may overlap the border and each other without changing
        the rate (the paper's gamma counts no overlaps, and drops less at borders than in the middle); the scale is
        each sample's own, and not that of the batch.
    """
    return drop_blocks(x, rate, block_size, (seed, site, step, draw), share, window)


def drop_blocks(
    x: Tensor,
    rate: float | Tensor,
    block_size: BlockSize,
    address: Address,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """`drop_block` with its address in one piece."""
    if is_traced(x, rate, *address) or _has_tensors(window):
        return _at_ticket(x, rate, block_size, address, share, window)
    _kernel.check_dtype(x)
    how = plan(tuple(x.shape), cast(float, rate), block_size, share, window)
    where = coordinates(*address)  # type: ignore[arg-type]
    return cast(Tensor, _DropBlock.apply(x, how, where))  # type: ignore[no-untyped-call]


def _has_tensors(window: Window | None) -> bool:
    return window is not None and any(isinstance(value, Tensor) for value in window[1])


def execute(x: Tensor, how: BlockPlan, address: Coordinates) -> Tensor:
    """A plan run at an address, in a fresh tensor with the memory format of `x`."""
    if not x.is_cpu or torch._C._functorch.is_legacy_batchedtensor(x):
        return plain(x, how, address)
    source = _kernel._whole(x)
    result = _kernel._fresh(source)
    blocks.drop_block(
        _kernel._memory(source), _kernel._memory(result), how, address,
        threads=torch.get_num_threads(), team=_kernel._TEAM,
    )  # fmt: skip
    return result if source is x else torch.empty_like(x).copy_(result)


def plain(x: Tensor, how: BlockPlan, address: Coordinates) -> Tensor:
    """The same bits in plain tensor operations, on any device."""
    if not x.numel():
        return x.clone()
    under = (_plain.words(how.where, address, x.device) < how.threshold).float()
    dropped = _POOL[len(how.block)](under, how.block, stride=1).bool()
    kept = (~dropped).flatten(1).sum(1).double()
    # A number over a tensor would be rounded twice: PyTorch takes the reciprocal first.
    scale = torch.where(kept > 0, torch.full_like(kept, dropped[0].numel()) / kept, 0)
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    scale = scale.to(exact).reshape(-1, *[1] * (len(how.shape) - 1))
    return (x.to(exact) * scale).masked_fill(dropped, 0).to(x.dtype)


class _DropBlock(torch.autograd.Function):
    """The fast path in eager mode."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, how: BlockPlan, where: Coordinates) -> Tensor:
        ctx.address = how, where
        return execute(x, how, where)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _again(gradient, *ctx.address), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        return _again(tangent, *ctx.address)


def _again(x: Tensor, how: BlockPlan, where: Coordinates) -> Tensor:
    """A plan once more at its address: what a gradient is. Itself differentiable, and traceable."""
    if is_traced(x) and not torch._C._functorch.is_legacy_batchedtensor(x):
        seed, *rest = where
        index = how.where.index[0]
        ids = [] if isinstance(index, int) else index.tolist()
        at = torch.tensor([signed(seed), *rest, *ids], dtype=torch.int64)
        size, start = how.where.logical_shape[0], index if isinstance(index, int) else 0
        rate = torch.tensor(how.rate, dtype=torch.float64)
        return _run(x, at, rate, how.block, how.where.shared, size, start)
    if torch.is_grad_enabled():
        return cast(Tensor, _DropBlock.apply(x, how, where))  # type: ignore[no-untyped-call]
    return execute(x, how, where)


def _at_ticket(
    x: Tensor, rate: Any, block_size: BlockSize, address: Address, share: Share, window: Window | None
) -> Tensor:
    """By the registered operator."""
    _kernel.check_dtype(x)
    block = block_sizes(block_size, x.dim() - 2)
    axes = shared_channels_or_samples(x.dim(), share)
    at, how_often = ticket(0, address)[:4], _rate(rate, block)
    seeds = seed_window(x.shape, block, axes, window)
    size: Any = 0
    start: Any = 0
    if seeds is not None and 0 not in axes:
        size, start = seeds[0][0], seeds[1][0]
        if not _is_start(start):
            at, start = torch.cat([at, _ids(0, start, x.shape[0]).to(at)]), 0
    return _run(x, at, how_often, block, axes, size, start)


def _rate(rate: Any, block: Sequence[int]) -> Tensor:
    """A rate as a float64 of one number; a traced one is clamped, NaN as 1, and rounded to multiples of 1/65536."""
    if not isinstance(rate, Tensor):
        if torch.compiler.is_compiling() and type(rate) is float and 1 / LEVELS < rate < 1 - 1 / LEVELS:
            # Perhaps symbolic: a rate that is set anew compiles nothing anew.
            return torch.ones((), dtype=torch.float64) * rate
        seed_threshold(rate, int(np.prod(block)))
        return torch.full((), float(rate), dtype=torch.float64)
    if rate.dim() or rate.is_complex() or rate.dtype == torch.bool:
        raise RateError(
            f"expected a rate as one number or a tensor of one; got a {rate.dtype} tensor of shape "
            f"{tuple(rate.shape)}. To draw for many, use torch.func.vmap."
        )
    value = torch.nan_to_num(rate.detach().to(torch.float64), nan=1.0).clamp(0, 1)
    return torch.round(value * LEVELS) / LEVELS


def _run(x: Tensor, *rest: Any) -> Tensor:
    if not torch.compiler.is_compiling() and (
        torch._C._are_functorch_transforms_active() or is_forward_mode()
    ):
        return _transformed(x, *rest)
    return cast(Tensor, operator(x, *rest))


@torch.library.custom_op("thinned::drop_block", mutates_args=())
def operator(
    x: Tensor,
    ticket: Tensor,
    rate: Tensor,
    block: Sequence[int],
    share: Sequence[int],
    size: int,
    start: int,
) -> Tensor:
    """Execute the ticket's blocks on `x`."""
    seed, site, step, draw, *ids = ticket.tolist()
    # Traced coordinates count modulo their widths (SPEC, section 1.3).
    address = (seed % (1 << 64), site % (1 << 32), step % (1 << 32), draw % (1 << 16))
    window: Window | None = None
    if size or ids:
        rest = x.shape[1:]
        first: Any = np.array(ids, np.int64) if ids else start
        window = (size, *rest), (first, *(0,) * len(rest))
    how = plan(tuple(x.shape), float(rate), tuple(block), tuple(share), window, constant=False)
    return execute(x, how, address)


@operator.register_fake
def _fake(x: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(x)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _, ticket, rate, *ctx.rest = inputs
    ctx.save_for_backward(ticket, rate)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    return operator(gradient, *ctx.saved_tensors, *ctx.rest), *(None,) * 6


operator.register_autograd(_backward, setup_context=_setup)


@operator.register_vmap
def _vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
    return _lanes(operator, info.batch_size, in_dims, *inputs)


def _lanes(each: Any, size: int, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
    """What `vmap` means: each lane by the address that it has, or by the one that all have."""
    data, rest = inputs[:3], inputs[3:]
    lanes = [
        each(*(v if d is None else v.select(d, lane) for v, d in zip(data, in_dims, strict=False)), *rest)
        for lane in range(size)
    ]
    return torch.stack(lanes), 0


class _Transformed(torch.autograd.Function):
    """The operator under `torch.func`, whose `grad` and `jvp` refuse the autograd of a registered one."""

    @staticmethod
    def forward(x: Tensor, *rest: Any) -> Tensor:
        return cast(Tensor, operator(x, *rest))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ticket, rate, *ctx.rest = inputs
        ctx.save_for_backward(ticket, rate)
        ctx.save_for_forward(ticket, rate)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        return _transformed(gradient, *ctx.saved_tensors, *ctx.rest), *(None,) * 6

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
        return _transformed(tangent, *ctx.saved_tensors, *ctx.rest)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[Tensor, int]:
        return _lanes(_transformed, info.batch_size, in_dims, *inputs)


def _transformed(*arguments: Any) -> Tensor:
    return cast(Tensor, _Transformed.apply(*arguments))  # type: ignore[no-untyped-call]
