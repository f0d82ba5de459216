"""The law in plain tensor operations: the same bits on any device, slower than a kernel.

It runs where no kernel does: on an accelerator, and where a transformation must see each operation.
"""

import math

import torch
from torch import Tensor

from thinned.kernels.execute import ADD, RELU, Coordinates
from thinned.mask.philox import MULTIPLIERS, ROUNDS, WEYL
from thinned.mask.plan import Plan
from thinned.mask.rate import LEVELS, WIDE_LEVELS
from thinned.mask.sharing import Layout
from thinned.methods.law import HALF, MULTIPLY, SELECT, UNIFORM, WORD, WRITE, LawPlan

_LOW = 0xFFFFFFFF


def keep(where: Layout, address: Coordinates, level: int, device: torch.device) -> Tensor:
    """The mask as a bool tensor: the array's shape, with 1 on shared axes."""
    return halves(where, address, device) >= level


def halves(where: Layout, address: Coordinates, device: torch.device) -> Tensor:
    """The half-word of each element: int64, the array's shape with 1 on shared axes."""
    elements = torch.as_tensor(where.elements(), device=device)
    block, lane = elements >> 3, elements & 7
    c0, c1, c2, c3 = calls(block, address)
    word = torch.where(lane < 4, torch.where(lane < 2, c0, c1), torch.where(lane < 6, c2, c3))
    return (word >> (16 * (lane & 1))) & 0xFFFF


def words(where: Layout, address: Coordinates, device: torch.device) -> Tensor:
    """The whole word of each element, in the wide variant: int64, the array's shape with 1 on shared axes."""
    return _words(torch.as_tensor(where.elements(), device=device), address)


def _words(elements: Tensor, address: Coordinates) -> Tensor:
    c0, c1, c2, c3 = calls(elements >> 2, address)
    lane = elements & 3
    return torch.where(lane < 2, torch.where(lane < 1, c0, c1), torch.where(lane < 3, c2, c3))


def calls(block: Tensor, address: Coordinates) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The four words of the Philox calls with these numbers."""
    seed, site, step, draw = address
    c0, c1 = block & _LOW, (block >> 32) + (draw << 16)
    c2, c3 = torch.full_like(block, site), torch.full_like(block, step)
    k0, k1 = seed & _LOW, seed >> 32
    for _ in range(ROUNDS):
        high0, low0 = _product(MULTIPLIERS[0], c0)
        high1, low1 = _product(MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + WEYL[0]) & _LOW, (k1 + WEYL[1]) & _LOW
    return c0, c1, c2, c3


def thin(op: int, x: Tensor, how: Plan, address: Coordinates, residual: Tensor | None) -> Tensor:
    """`y = k x s` and its fused forms."""
    mask = keep(how.where, address, how.threshold, x.device)
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    value = (torch.where(x <= 0, 0, x) if op == RELU else x).to(exact) * torch.tensor(how.scale, dtype=exact)
    kept = value.masked_fill(~mask, 0)
    if op == ADD:
        assert residual is not None  # noqa: S101 - the caller's plan says so; for the type checker
        kept = kept + residual.to(exact)
    return kept.to(x.dtype)


def law(x: Tensor, how: LawPlan, address: Coordinates) -> Tensor:
    """What a plan of any law says; normals within the law's tolerance, all else the kernel's bits."""
    setting, where = how.setting, how.where
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    a, b, c = (torch.tensor(value, dtype=exact, device=x.device) for value in setting[3:])
    if setting.draw in {HALF, WORD}:
        drawn = (halves if setting.draw == HALF else words)(where, address, x.device)
        value = x.to(exact) * a + b if setting.combine == SELECT else b
        return torch.where(drawn >= setting.level, value, c).expand(x.shape).to(x.dtype)
    factor = b + a * _draws(setting.draw, where, address, x.device).to(exact)
    if setting.combine == WRITE:
        return factor.expand(x.shape).to(x.dtype)
    result = x.to(exact) * factor if setting.combine == MULTIPLY else x.to(exact) + factor
    return result.to(x.dtype)


def _draws(draw: int, where: Layout, address: Coordinates, device: torch.device) -> Tensor:
    """`2u - 1`, or a normal, for each element of a mask."""
    if draw == UNIFORM:
        return (2 * halves(where, address, device) + 1 - LEVELS).to(torch.float64) / LEVELS
    elements = torch.as_tensor(where.elements(), device=device)
    even = elements - (elements & 1)
    radius = torch.sqrt(-2 * torch.log((_words(even, address) + 1).to(torch.float64) / WIDE_LEVELS))
    angle = _words(even + 1, address).to(torch.float64) * (2 * math.pi / WIDE_LEVELS)
    return radius * torch.where(elements == even, torch.cos(angle), torch.sin(angle))


def relu_gradient(gradient: Tensor, output: Tensor, scale: float) -> Tensor:
    """The gradient of `y = k relu(x) s` from `y` alone."""
    exact = torch.float64 if gradient.dtype == torch.float64 else torch.float32
    scaled = gradient.to(exact) * torch.tensor(scale, dtype=exact)
    return torch.where(output <= 0, 0, scaled).to(gradient.dtype)


def _product(multiplier: int, word: Tensor) -> tuple[Tensor, Tensor]:
    """The halves of a 32 x 32 -> 64 bit product, in signed 64-bit lanes that may overflow."""
    product = word * multiplier
    return (product >> 32) & _LOW, product & _LOW
