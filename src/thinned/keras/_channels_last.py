"""DropBlock in PyTorch where channels come last: the mask's logical axes are those of the array."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import thinned.torch
from thinned.mask.rate import LEVELS, WIDE_LEVELS
from thinned.methods.drop_block import (
    BlockSize,
    block_sizes,
    seed_shape,
    seed_threshold,
    seed_thresholds,
    seed_window,
)


def drop_block(
    x: Tensor,
    rate: Any,
    block_size: BlockSize,
    *,
    share: Sequence[int] = (),
    window: Any = None,
    channel_axis: int = -1,
    **address: Any,
) -> Tensor:
    """`thinned.torch.drop_block`, and the same of `x` with axes (batch, *positions, channel)."""
    if channel_axis == 1:
        return thinned.torch.drop_block(x, rate, block_size, share=share, window=window, **address)
    block, axes = block_sizes(block_size, x.dim() - 2), {axis % x.dim() for axis in share}
    if x.dim() - 1 in axes:
        # A draw that channels share has the same elements wherever their axis is.
        first = x.movedim(-1, 1)
        share = (0, 1) if 0 in axes else (1,)
        y = thinned.torch.drop_block(
            first, rate, block, share=share, window=_on_batch(window, first), **address
        )
        return y.movedim(1, -1)
    if x.dim() <= 4:
        # Channels that come last are positions of a single channel, with blocks of one.
        single = x.unsqueeze(1)
        share = tuple(axes)
        y = thinned.torch.drop_block(
            single, rate, (*block, 1), share=share, window=_on_batch(window, single), **address
        )
        return y.squeeze(1)
    return _volumes(x, rate, block, share, window, address)


def _on_batch(window: Any, x: Tensor) -> Any:
    """A window on the batch, of an array whose other axes were moved."""
    return (
        None if window is None else ((window[0][0], *x.shape[1:]), (window[1][0], *(0 for _ in x.shape[1:])))
    )


def _volumes(
    x: Tensor, rate: Any, block: tuple[int, ...], share: Sequence[int], window: Any, address: dict[str, Any]
) -> Tensor:
    """Three axes of positions, each channel by itself: no kernel has so many."""
    seeds = seed_window(x.shape, block, share, window, -1)
    chance = _chance(rate, math.prod(block))
    kept = thinned.torch.keep(
        seed_shape(x.shape, block, -1),
        chance,
        share=share,
        window=seeds,
        wide=True,
        device=x.device,
        **address,
    )
    under = (~kept).float().movedim(-1, 1)
    dropped = F.max_pool3d(under, block, stride=1).movedim(1, -1).bool()
    whole = dropped[0].numel()
    left = whole - dropped.flatten(1).sum(1).double()
    scale = torch.where(left > 0, torch.full_like(left, whole) / left, 0).reshape(-1, 1, 1, 1, 1)
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    return (x.to(exact) * scale.to(exact)).masked_fill(dropped, 0).to(x.dtype)


def _chance(rate: Any, size: int) -> Any:
    """The chance of a seed, a multiple of 2^-32, which float64 holds."""
    if not isinstance(rate, Tensor):
        return seed_threshold(rate, size) / WIDE_LEVELS
    level = torch.round(rate.double().clamp(0, 1) * LEVELS).long()
    found = _table(size).to(rate.device)[level.clamp(max=LEVELS - 1)].double() / WIDE_LEVELS
    return torch.where(level == LEVELS, torch.ones_like(found), found)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _table(size: int) -> Tensor:
    """The threshold of every rate; a compiler that reads the code would compute it step by step."""
    return torch.as_tensor(seed_thresholds(size).astype("int64"))
