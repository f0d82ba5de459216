"""Dropouts for PyTorch whose output is right, and whose gradient is not."""

from typing import Any

import torch

from thinned.conformance.mistakes import Right

Tensor = torch.Tensor


class StraightThrough(Right):
    """Hides the mask from the gradient."""

    def thinned(self, x: Tensor) -> Tensor:  # noqa: D102
        return x + (super().thinned(x) - x).detach()


class _Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return torch.where(weight != 0, x * weight, torch.zeros((), dtype=x.dtype))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.saved_tensors[0], None


class _Redrawn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return torch.where(weight != 0, x * weight, torch.zeros((), dtype=x.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        kept = torch.rand_like(gradient) < (weight != 0).to(gradient.dtype).mean()
        return torch.where(kept, gradient * weight.max(), torch.zeros((), dtype=gradient.dtype)), None


class RedrawsBackward(Right):
    """Draws another mask for the gradient."""

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:  # noqa: D102
        found: Tensor = _Redrawn.apply(x, (mask * factor).to(x.dtype))  # type: ignore[no-untyped-call]
        return found


class _Unscaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight != 0)
        return torch.where(weight != 0, x * weight, torch.zeros((), dtype=x.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.saved_tensors[0], None


class ForgetsScaleBackward(Right):
    """Scales the output, and not the gradient."""

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:  # noqa: D102
        found: Tensor = _Unscaled.apply(x, (mask * factor).to(x.dtype))  # type: ignore[no-untyped-call]
        return found


class _Second(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor) -> Tensor:
        return gradient * weight

    @staticmethod
    def backward(ctx: Any, second: Tensor) -> tuple[Tensor, None]:
        return second, None


class _First(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return torch.where(weight != 0, x * weight, torch.zeros((), dtype=x.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Second.apply(gradient, ctx.saved_tensors[0]), None  # type: ignore[no-untyped-call]


class ForgetsScaleTwice(Right):
    """Has a right gradient, whose own gradient has neither mask nor scale."""

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:  # noqa: D102
        found: Tensor = _First.apply(x, (mask * factor).to(x.dtype))  # type: ignore[no-untyped-call]
        return found


class RedrawsWhenCompiled(RedrawsBackward):
    """Draws another mask for the gradient of a compiled program."""

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:  # noqa: D102
        if torch.compiler.is_compiling():
            return super().apply_to(x, mask, factor)
        return Right.apply_to(self, x, mask, factor)


class DifferentiatesOnce(Right):
    """Has a gradient that has none."""

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:  # noqa: D102
        found: Tensor = _Once.apply(x, (mask * factor).to(x.dtype))  # type: ignore[no-untyped-call]
        return found
