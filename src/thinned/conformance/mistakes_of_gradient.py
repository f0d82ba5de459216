"""Dropouts for PyTorch whose output is right, and whose gradient is not."""

from typing import Any

import torch

from thinned.conformance.mistakes import Right

Tensor = torch.Tensor


class StraightThrough(Right):
    """Hides the mask from the gradient."""

    def thinned(self, x: Tensor) -> Tensor:  # noqa: D102
        return x + (super().thinned(x) - x).detach()


class _Weighted(torch.autograd.Function):
    """A product with a mask that is already scaled; what it is differentiated to, a subclass says."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return torch.where(weight != 0, x * weight, torch.zeros((), dtype=x.dtype))


class _ByHand(Right):
    """Has a backward pass of its own."""

    product: type[_Weighted]

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:
        found: Tensor = self.product.apply(x, (mask * factor).to(x.dtype))  # type: ignore[no-untyped-call]
        return found


class _Redrawn(_Weighted):
    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        kept = torch.rand_like(gradient) < (weight != 0).to(gradient.dtype).mean()
        return torch.where(kept, gradient * weight.max(), torch.zeros((), dtype=gradient.dtype)), None


class RedrawsBackward(_ByHand):
    """Draws another mask for the gradient."""

    product = _Redrawn


class _Unscaled(_Weighted):
    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * (ctx.saved_tensors[0] != 0), None


class ForgetsScaleBackward(_ByHand):
    """Scales the output, and not the gradient."""

    product = _Unscaled


class _Second(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor) -> Tensor:
        return gradient * weight

    @staticmethod
    def backward(ctx: Any, second: Tensor) -> tuple[Tensor, None]:
        return second, None


class _First(_Weighted):
    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Second.apply(gradient, ctx.saved_tensors[0]), None  # type: ignore[no-untyped-call]


class ForgetsScaleTwice(_ByHand):
    """Has a right gradient, whose own gradient has neither mask nor scale."""

    product = _First


class RedrawsWhenCompiled(RedrawsBackward):
    """Draws another mask for the gradient of a compiled program."""

    def apply_to(self, x: Tensor, mask: Tensor, factor: float) -> Tensor:  # noqa: D102
        if torch.compiler.is_compiling():
            return super().apply_to(x, mask, factor)
        return Right.apply_to(self, x, mask, factor)


class _Once(_Weighted):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.saved_tensors[0], None


class DifferentiatesOnce(_ByHand):
    """Has a gradient that has none."""

    product = _Once
