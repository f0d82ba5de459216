"""Mixout of a tensor at an address: a pure function."""

import torch
from torch import Tensor

from thinned.mask.sharing import Share, Window
from thinned.torch._functional import dropout_add
from thinned.torch._ticket import Coordinate, level


def mixout(
    weight: Tensor,
    target: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Replace each element by its target with probability `rate`, and move the others to keep the expectation.

        w' = (k w + (1 - k) w0 - q w0) / (1 - q) = w0 + k (w - w0) / (1 - q),   q = T / 65536
        k = mask.keep(weight.shape, rate, seed=..., ...)

    With a target of zeros it is `dropout`. Dropped elements are the target exactly, and no gradient flows
    through them.

    Args:
        weight: `w`, a float tensor of any shape.
        target: `w0`, like it.
        rate: probability of the target, 0 <= rate <= 1; or a tensor of one number, which quantises.
        seed: the run, as `dropout` takes it.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: axes along which one draw is shared.
        window: where the tensor is part of a larger one.

    Returns:
        Tensor like `weight`.

    Raises:
        RateError, AddressError, ShareError, WindowError, DtypeError: see `thinned.errors`.
        ValueError: a target of another shape, dtype or device.

    Example:
        >>> import torch, thinned.torch
        >>> thinned.torch.mixout(torch.full((8,), 3.0), torch.ones(8), 0.5, seed=0, site="fc1")
        tensor([1., 1., 5., 1., 1., 5., 5., 5.])

    References:
        Lee, Cho, Kang, "Mixout: Effective Regularization to Finetune Large-scale Pretrained Language
        Models", 2020, https://arxiv.org/abs/1909.11299.
    """
    if weight.shape != target.shape or (weight.dtype, weight.device) != (target.dtype, target.device):
        raise ValueError(
            f"expected a target like the weight, {weight.dtype} of shape {tuple(weight.shape)} on {weight.device}; "
            f"got {target.dtype} of shape {tuple(target.shape)} on {target.device}. Convert it: target.to(weight)."
        )
    mixed = dropout_add(
        weight - target,
        target,
        rate,
        seed=seed,
        site=site,
        step=step,
        draw=draw,
        share=share,
        window=window,
    )
    # At rate 0 the sum of the target and the difference is the weight but for its rounding.
    none = level(rate) == 0
    if isinstance(none, bool):
        return weight.clone() if none else mixed
    return torch.where(none.to(weight.device), weight, mixed)
