"""What can be read from the numbers that data was multiplied by."""

import hashlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from thinned.diagnosis.graph import Noise

CERTAIN = 40.0
"""Bits of coincidence beyond which equal masks are no chance: 2^-40 is 1e-12, and an audit compares at most some
ten thousand pairs, so that all of them together stay below 1e-6."""


def measure(numbers: Tensor, shape: Sequence[int], *, independent: bool) -> Noise:
    """Describe the numbers that data of this shape was multiplied by.

    Args:
        numbers: that broadcast to `shape`; booleans count as zeros and ones.
        shape: of the data.
        independent: whether each comes from a draw of its own.
    """
    with torch.no_grad():
        spread_out = numbers.reshape((1,) * (len(shape) - numbers.dim()) + tuple(numbers.shape))
        kept = spread_out != 0
        share = float(kept.double().mean()) if kept.numel() else 1.0
        several = _several(spread_out)
        shared = _shared(spread_out if several else kept, shape, share, exact=several)
        distinct = spread_out
        for axis in shared:
            distinct = distinct.narrow(axis, 0, 1)
        values = distinct.double()
        count, units = int(distinct.numel()), 0
        rows = (0, 0)
        if not several:
            rows, units = _rows(distinct != 0, shared, spread_out.dim())
        return Noise(
            shape=tuple(distinct.shape),
            shared=shared,
            count=count,
            kept=int((distinct != 0).sum()),
            scale=None if several else _scale(distinct),
            mean=float(values.mean()) if count else 1.0,
            spread=float(values.std()) if count > 1 else 0.0,
            digest=_digest(distinct if several else distinct != 0),
            bits=_bits(share, count, several),
            independent=independent,
            lanes=_lanes(distinct, share, several),
            rows=rows,
            units=units,
            rounding=_rounding(spread_out),
        )


def _several(numbers: Tensor) -> bool:
    """Whether there is more than one value beside zero."""
    if numbers.dtype is torch.bool or not numbers.numel():
        return False
    others = numbers[numbers != 0].double()
    within = 4 * _rounding(numbers)  # a factor was rounded, and so was what it was made of
    return bool(others.numel()) and float(others.max() - others.min()) > within * float(others.abs().max())


def _rounding(numbers: Tensor) -> float:
    return float(torch.finfo(numbers.dtype).eps) if numbers.is_floating_point() else 0.0


def _scale(numbers: Tensor) -> float | None:
    if numbers.dtype is torch.bool:
        return 1.0
    others = numbers[numbers != 0]
    return float(others.double().mean()) if others.numel() else None


def _shared(numbers: Tensor, shape: Sequence[int], share: float, *, exact: bool) -> tuple[int, ...]:
    """Axes along which one draw was spread: by shape, or by values that are no coincidence."""
    found = []
    for axis, size in enumerate(shape):
        if size == 1:
            continue
        if numbers.shape[axis] == 1 or numbers.stride(axis) == 0:
            found.append(axis)
            continue
        repeated = numbers.numel() - numbers.numel() // size
        if _bits(share, repeated, exact) < CERTAIN:
            continue
        first = numbers.narrow(axis, 0, 1)
        if bool((numbers == first).all()):
            found.append(axis)
    return tuple(found)


def _bits(share: float, count: int, several: bool) -> float:
    """How unlikely it is that two such arrays are equal."""
    if several:
        return 16.0 * count
    alike = share**2 + (1 - share) ** 2
    return -count * math.log2(alike) if alike < 1 else 0.0


def _digest(array: Tensor) -> str:
    data = array.detach().cpu().contiguous()
    raw = data.view(torch.uint8) if data.dtype is torch.bool else data.double()
    return hashlib.blake2b(
        raw.numpy().tobytes() + repr(tuple(array.shape)).encode(), digest_size=16
    ).hexdigest()


def _lanes(distinct: Tensor, share: float, several: bool) -> int:
    """Rows along the batch axis that are copies of another."""
    if distinct.dim() < 2 or distinct.shape[0] < 2:
        return 0
    rows = (distinct if several else distinct != 0).reshape(distinct.shape[0], -1)
    pairs = math.log2(max(1, rows.shape[0] ** 2 // 2))
    if _bits(share, rows.shape[1], several) < CERTAIN + pairs:
        return 0
    return int(rows.shape[0] - torch.unique(rows, dim=0).shape[0])


def _rows(kept: Tensor, shared: Sequence[int], axes: int) -> tuple[tuple[int, int], int]:
    """(Rows, those dropped whole), and the units of one: the last axis, or all of a sample's of a feature map."""
    own = [axis for axis in range(axes) if axis not in shared and kept.shape[axis] > 1]
    if not own or own == [0] or kept.dim() < 2:
        return (0, 0), 0
    compact = kept.squeeze()
    if 0 not in own:
        compact = compact.unsqueeze(0)
    per_sample = compact.reshape(compact.shape[0], -1) if compact.dim() >= 4 else compact
    flat = per_sample.reshape(-1, per_sample.shape[-1])
    return (int(flat.shape[0]), int((~flat.any(dim=1)).sum())), int(flat.shape[1])


def neighbours(x: Tensor) -> float | None:
    """The correlation of neighbours along the positions of a feature map: axes (batch, channel, *positions).

    Each channel is centred by itself, so that channels of different levels do not count as alike.
    """
    if x.dim() < 3 or not x.is_floating_point() or max(x.shape[2:]) < 2:
        return None
    with torch.no_grad():
        values = x.detach().float()
        centred = values - values.mean(dim=(0, *range(2, x.dim())), keepdim=True)
        variance = float((centred**2).mean())
        if variance == 0:
            return None
        found = [
            float((centred.narrow(axis, 0, size - 1) * centred.narrow(axis, 1, size - 1)).mean()) / variance
            for axis in range(2, x.dim())
            if (size := x.shape[axis]) > 1
        ]
    return sum(found) / len(found)
