"""What a compiled model does: it shows none of its operations, so its gradient is compared with its differences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from thinned.diagnosis.passes import call, seed, tensors_of
from thinned.diagnosis.restore import restored, rewinding

DIRECTIONS = 4
STEP = 1e-2
"""Of a weight's own deviation: float32 still resolves the difference, and few rectifiers change sides."""


@dataclass(frozen=True)
class Compiled:
    """What was measured of a compiled model in training.

    Args:
        frozen: whether two calls without a seed in between gave the same outputs.
        error: how far its gradient is from the differences of its outputs, as a share of these, over directions of
            all weights, masks held by a seed.
        eager_error: the same of the model that it was compiled from.
        other_masks: whether, under one seed, its outputs are others than that model's, though in evaluation they
            agree.
    """

    frozen: bool
    error: float
    eager_error: float
    other_masks: bool


def measure(model: Any, example: Any) -> Compiled:
    """Compare a compiled model with itself, and with the model that it was compiled from."""
    original = model._orig_mod
    with restored(original):
        original.eval()
        with torch.no_grad():
            agree = _near(_outputs(model, example), _outputs(original, example))
        original.train()
        rewind = rewinding(original)

        def begin() -> None:
            seed()
            rewind()

        begin()
        frozen = _near(_outputs(model, example), _outputs(model, example), exactly=True)
        begin()
        compiled = _outputs(model, example)
        begin()
        alike = _near(compiled, _outputs(original, example))
        errors = [_error(each, original, example, begin) for each in (model, original)]
    return Compiled(frozen, errors[0], errors[1], agree and not alike)


def _outputs(model: Any, example: Any) -> list[Tensor]:
    return [each for each in tensors_of(call(model, example)) if each.is_floating_point() and each.numel()]


def _near(a: list[Tensor], b: list[Tensor], *, exactly: bool = False) -> bool:
    if exactly:
        return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    return all(torch.allclose(x, y, rtol=1e-2, atol=1e-4) for x, y in zip(a, b, strict=True))


def _error(model: Any, original: Any, example: Any, begin: Callable[[], None]) -> float:
    parameters = [each for each in original.parameters() if each.requires_grad and each.is_floating_point()]
    generator = torch.Generator().manual_seed(0)
    begin()
    found = _loss(model, example)
    gradients = torch.autograd.grad(found, parameters, allow_unused=True)
    differences, products = [], []
    for _ in range(DIRECTIONS):
        ways = [torch.randn(each.shape, generator=generator).to(each) * _size(each) for each in parameters]
        pairs = zip(gradients, ways, strict=True)
        products.append(sum(float((g * w).sum()) for g, w in pairs if g is not None))
        ends = [_moved(model, example, parameters, ways, side * STEP, begin) for side in (1, -1)]
        differences.append((ends[0] - ends[1]) / (2 * STEP))
    total = sum(each**2 for each in differences)
    return (
        (sum((a - b) ** 2 for a, b in zip(differences, products, strict=True)) / total) ** 0.5
        if total
        else 0.0
    )


def _size(parameter: Tensor) -> float:
    value = parameter.detach().float()
    return float(value.square().mean().sqrt()) or 1.0


def _moved(
    model: Any,
    example: Any,
    parameters: list[Any],
    ways: list[Tensor],
    step: float,
    begin: Callable[[], None],
) -> float:
    with torch.no_grad():
        for parameter, way in zip(parameters, ways, strict=True):
            parameter.add_(way, alpha=step)
    try:
        begin()
        return float(_loss(model, example).detach())
    finally:
        with torch.no_grad():
            for parameter, way in zip(parameters, ways, strict=True):
                parameter.sub_(way, alpha=step)


def _loss(model: Any, example: Any) -> Tensor:
    """A fixed random sum of the outputs, in float64, so that no symmetry hides a mask."""
    generator = torch.Generator().manual_seed(1)
    terms = [
        (each.double() * torch.randn(each.shape, generator=generator).to(each.device).double()).sum()
        for each in _outputs(model, example)
    ]
    return torch.stack(terms).sum()
