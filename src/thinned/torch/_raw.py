"""The law's draws themselves, as tensors: masks, uniforms and normals at an address."""

from collections.abc import Sequence

import torch
from torch import Tensor

from thinned.mask.sharing import Share, Window
from thinned.methods.law import DRAW_KEEP, DRAW_NORMAL, DRAW_UNIFORM, DRAW_WIDE
from thinned.torch._law import draws
from thinned.torch._ticket import Coordinate


def keep(
    shape: Sequence[int],
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
    wide: bool = False,
    device: torch.device | str | None = None,
) -> Tensor:
    """The mask of `thinned.mask.keep` as a tensor: True where an element is kept, 1 on shared axes.

    Args:
        shape: of the array that the mask is for.
        rate: probability of dropping, 0 <= rate <= 1; or a tensor of one number, which quantises.
        seed: the run.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: `(global_shape, index)` where the array is part of a larger one.
        wide: the law's wide variant, in which a rate has 2^32 levels and not 65536.
        device: of the mask.

    Raises:
        RateError, AddressError, ShareError, WindowError: see `thinned.errors`.

    Example:
        >>> import thinned.torch
        >>> thinned.torch.keep((4,), 0.5, seed=0, site="fc1")
        tensor([False, False,  True, False])
    """
    law, where = DRAW_WIDE if wide else DRAW_KEEP, (seed, site, step, draw)
    return draws(shape, law, rate, where, share, window, dtype=torch.bfloat16, device=device).bool()


def uniform(
    shape: Sequence[int],
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """The draws of `thinned.mask.uniform` as a tensor, in (0, 1), with 1 on shared axes; exact in float32.

    Args and errors are those of `keep`; `dtype` is PyTorch's default one where none is given.

    Example:
        >>> import thinned.torch
        >>> thinned.torch.uniform((3,), seed=0)
        tensor([0.9095, 0.3990, 0.7717])
    """
    where = (seed, site, step, draw)
    return draws(shape, DRAW_UNIFORM, 0, where, share, window, dtype=dtype, device=device)


def normal(
    shape: Sequence[int],
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """The draws of `thinned.mask.normal` as a tensor, within 2^-20 of their radius, with 1 on shared axes.

    Args and errors are those of `keep`; `dtype` is PyTorch's default one where none is given.

    Example:
        >>> import thinned.torch
        >>> thinned.torch.normal((3,), seed=0)
        tensor([ 0.9911, -0.9247, -0.6176])
    """
    return draws(shape, DRAW_NORMAL, 0, (seed, site, step, draw), share, window, dtype=dtype, device=device)
