"""One layer of many networks at once: ReLU and dropout on a leading axis of networks, each mask the law's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from thinned.kernels.execute import Coordinates
from thinned.mask.address import seed64
from thinned.mask.rate import scale
from thinned.methods.dropout import plan
from thinned.torch import _gpu, _kernel
from thinned.torch._ticket import signed


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """What a site's masks are in each network: seeds and rates; only the step is left open.

    Args:
        site: of the layer, as an integer.
        seeds: of each network.
        rates: of each network.
        seed_table: the seeds on the device, int64 (network,).
        levels: T of the law on the device, int32 (network,).
        scales: s on the device, the networks' dtype (network,).
        draws: False where every rate is 0.
    """

    site: int
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    seed_table: Tensor
    levels: Tensor
    scales: Tensor
    draws: bool

    @classmethod
    def of(
        cls, site: int, seeds: Sequence[int], rates: Sequence[float], device: torch.device, dtype: torch.dtype
    ) -> "Masks":
        """Tables for these networks.

        Raises:
            RateError: a rate that no threshold stands for.
        """
        levels = [plan((1,), rate).threshold for rate in rates]
        return cls(
            site,
            tuple(map(seed64, seeds)),
            tuple(rates),
            torch.tensor([signed(seed) for seed in seeds], dtype=torch.int64, device=device),
            torch.tensor(levels, dtype=torch.int32, device=device),
            torch.tensor([scale(level) for level in levels], dtype=torch.float64).to(device, dtype),
            any(levels),
        )


def relu_dropout(z: Tensor, masks: Masks, step: int, bias: Tensor | None = None, *, draw: int = 0) -> Tensor:
    """`y[n] = k[n] relu(z[n] + bias[n]) s[n]`, the mask of network n at its own (seed, site, step).

    Saves its output for backward, and nothing else.

    Args:
        z: axes (network, example, unit).
        masks: of the layer.
        step: of training.
        bias: axes (network, unit).
        draw: which of several draws.

    Returns:
        Tensor like `z`.
    """
    return cast(Tensor, _ReluThin.apply(z, bias, masks, (step, draw)))  # type: ignore[no-untyped-call]


class _ReluThin(torch.autograd.Function):
    """Above zero, an output was positive and kept: that is all a gradient asks."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, bias: Tensor | None, masks: Masks, at: tuple[int, int]) -> Tensor:
        y = _forward(z, bias, masks, *at)
        ctx.save_for_backward(y)
        ctx.masks, ctx.biased = masks, bias is not None
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        (y,) = ctx.saved_tensors
        below = _backward(gradient, y, ctx.masks)
        return below, below.sum(1) if ctx.biased else None, None, None


def _forward(z: Tensor, bias: Tensor | None, masks: Masks, step: int, draw: int) -> Tensor:
    if z.dtype == torch.float32 and _gpu.serves(z):
        z, y = z.contiguous(), torch.empty_like(z, memory_format=torch.contiguous_format)
        bias = None if bias is None else bias.contiguous()
        with _gpu.current(z.device):
            _gpu.kernels().thin_stack(
                z, bias, y, masks.seed_table, masks.levels, masks.scales, tuple(z.shape), masks.site, step, draw,
                draws=masks.draws,
            )  # fmt: skip
        return y
    if bias is not None:
        z = z + bias[:, None]
    if not masks.draws:
        return torch.relu(z)
    z = z.contiguous()
    y = torch.empty_like(z)
    for n, (seed, rate) in enumerate(zip(masks.seeds, masks.rates, strict=True)):
        where: Coordinates = (seed, masks.site, step, draw)
        if rate:
            job = _kernel.ready(z, plan(tuple(z.shape[1:]), rate))
            _kernel.thin_into(y[n], _kernel.RELU, z[n], job, where)
        else:
            torch.clamp_min(z[n], 0, out=y[n])
    return y


def _backward(gradient: Tensor, y: Tensor, masks: Masks) -> Tensor:
    if gradient.dtype == torch.float32 and _gpu.serves(gradient):
        gradient = gradient.contiguous()
        below = torch.empty_like(gradient)
        with _gpu.current(gradient.device):
            _gpu.kernels().relu_gradient_stack(gradient, y, below, masks.scales, tuple(y.shape))
        return below
    if masks.draws:
        gradient = gradient * masks.scales[:, None, None]
    return torch.where(y <= 0, 0, gradient)
