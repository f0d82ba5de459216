"""What is not run still takes part in the graph: its parameters get gradients, of zero."""

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from thinned.methods.schedule import Schedule
from thinned.torch._drawing import Address
from thinned.torch._ticket import is_forward_mode, is_traced


def skipped(y: Tensor, modules: Iterable[nn.Module], inputs: Any = (), *, added: bool = False) -> Tensor:
    """A copy of `y`, whose graph holds modules that did not run.

    So the parameters of a dropped block have gradients of zero and not none: optimisers treat them in each step
    alike, and DistributedDataParallel, which waits for every gradient, needs no `find_unused_parameters`.

    Args:
        y: what there is without them.
        modules: that did not run.
        inputs: what else they would have read.
        added: return `y + 0`, to the bit what adding a dropped branch gives.
    """
    read = [parameter for module in modules for parameter in module.parameters()] + tree_leaves(inputs)
    needed = [tensor for tensor in read if isinstance(tensor, Tensor) and tensor.requires_grad]
    return cast(Tensor, _Skipped.apply(y, added, *needed))  # type: ignore[no-untyped-call]


def decides_by_data(x: Tensor, rate: Any, address: Address) -> bool:
    """Whether Python cannot know what is dropped, so that all must run and be masked."""
    return is_traced(x, rate, *address) or is_forward_mode()


def is_off(module: nn.Module, rate: float | Tensor | Schedule) -> bool:
    """Whether a module drops nothing: in evaluation, or at rate 0."""
    return not module.training or (isinstance(rate, (int, float)) and rate == 0)


class _Skipped(torch.autograd.Function):
    """Nothing is saved but what makes a zero of each shape."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, added: bool, *tensors: Tensor) -> Tensor:
        ctx.like = [(tensor.shape, tensor.dtype, tensor.device) for tensor in tensors]
        # A copy in any case, as where the block runs: what comes next may write over it.
        return y + 0 if added else y.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        # One number, expanded: autograd makes a gradient of it only where a leaf has none yet.
        zeros = (
            torch.zeros((), dtype=dtype, device=device).expand(shape) for shape, dtype, device in ctx.like
        )
        return gradient, None, *zeros
