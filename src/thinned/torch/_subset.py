"""Random subsets of tokens at an address: computed in NumPy, and one registered operator where something traces."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from thinned.mask.address import coordinates
from thinned.methods.patch_dropout import subset
from thinned.torch._drawing import Address
from thinned.torch._ticket import is_traced, ticket


def tokens_at(
    x: Tensor,
    shape: tuple[int, int],
    kept: int,
    address: Address,
    rows: tuple[Any, Any] | None,
    ordered: bool,
) -> Tensor:
    """`methods.patch_dropout.subset`, as an int64 tensor on the device of `x`, axes (sample, kept)."""
    if not is_traced(x, *address):
        found = subset(shape, kept, coordinates(*address), rows, ordered=ordered)  # type: ignore[arg-type]
        return torch.from_numpy(found).to(x.device)
    where = [] if rows is None else list(rows)
    return cast(Tensor, _subset(ticket(0, address), list(shape), kept, where, ordered)).to(x.device)


@torch.library.custom_op("thinned::subset", mutates_args=())
def _subset(at: Tensor, shape: Sequence[int], kept: int, rows: Sequence[int], ordered: bool) -> Tensor:
    """The same for a ticket: seed, site, step, draw; `rows` empty, or (samples in all, start)."""
    seed, site, step, draw, *_ = at.tolist()
    # Traced coordinates count modulo their widths (SPEC, section 9).
    address = (seed % (1 << 64), site % (1 << 32), step % (1 << 32), draw % (1 << 16))
    samples, tokens = shape
    found = subset((samples, tokens), kept, address, tuple(rows) or None, ordered=ordered)  # type: ignore[arg-type]
    return torch.from_numpy(np.ascontiguousarray(found))


@_subset.register_fake
def _(at: Tensor, shape: Sequence[int], kept: int, rows: Sequence[int], ordered: bool) -> Tensor:
    return at.new_empty((shape[0], kept))


@_subset.register_vmap
def _(info: Any, in_dims: tuple[Any, ...], at: Tensor, *rest: Any) -> tuple[Tensor, int | None]:
    """One subset for all lanes, or one for each lane of a batched ticket."""
    if in_dims[0] is None:
        return _subset(at, *rest), None
    return torch.stack([_subset(lane, *rest) for lane in at.unbind(in_dims[0])]), 0
