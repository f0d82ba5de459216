"""R-Drop: the loss of two draws of one step, and how far they are apart."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thinned.methods.r_drop import check_alpha
from thinned.torch._bind import binding_of
from thinned.torch._draws import draws

Loss = Callable[[Tensor, Tensor], Tensor]


def r_drop(
    model: nn.Module,
    inputs: Tensor | tuple[Any, ...],
    targets: Tensor,
    alpha: float = 1.0,
    *,
    loss: Loss = F.cross_entropy,
    ignore_index: int = -100,
) -> Tensor:
    """The R-Drop loss of a model: it runs twice, as draws 0 and 1 of one step, and `r_drop_loss` compares.

    The masks of a bound model are those of `draw=0` and `draw=1` at the step that this call takes, the only one:
    see `draws`. A free model draws afresh in each pass. Layers that keep running statistics see both passes.

    Args:
        model: returns logits.
        inputs: what it is called with; a tuple holds several.
        targets: as `loss` takes them.
        alpha: weight of the divergence, 0 or more.
        loss: of logits and targets, a mean over the batch.
        ignore_index: positions with this target count in no divergence; `F.cross_entropy` ignores -100.

    Returns:
        A tensor of one number.

    Raises:
        ValueError: an `alpha` that is no such number, or logits whose shape is no (batch, class, *rest).
        TypeError: a model that does not return a tensor.

    Example:
        >>> import torch, thinned.torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), thinned.torch.Dropout(0.5), torch.nn.Linear(8, 3))
        >>> _ = thinned.torch.bind(model, seed=0)
        >>> loss = thinned.torch.r_drop(model, torch.ones(2, 4), torch.tensor([0, 2]), alpha=5.0)
        >>> loss.backward()
        >>> model.thinned.step
        1

    References:
        Liang et al., "R-Drop: Regularized Dropout for Neural Networks", 2021, https://arxiv.org/abs/2106.14448.
        We differ: two passes over the batch, so that each keeps its rows and masks, and not one over a doubled one.
    """
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    first = model(*arguments)
    if binding_of(model) is None:
        second = model(*arguments)
    else:
        with draws(model, 1):
            second = model(*arguments)
    return r_drop_loss(first, second, targets, alpha, loss=loss, ignore_index=ignore_index)


def r_drop_loss(
    first: Tensor,
    second: Tensor,
    targets: Tensor,
    alpha: float = 1.0,
    *,
    loss: Loss = F.cross_entropy,
    ignore_index: int = -100,
) -> Tensor:
    """The loss of two predictions of one batch: that of each, and their symmetric divergence.

        L = loss(P1, y) + loss(P2, y) + alpha mean D,   D = 1/2 KL(P1 || P2) + 1/2 KL(P2 || P1)

    The mean is over the batch and over the positions behind the class axis, not over classes. Logarithms are taken
    of logits, so no prediction is too sure; a class whose logit is -inf in both adds nothing. Half types are
    computed in float32.

    Args:
        first: logits, axes (batch, class, *rest) or (class).
        second: logits like them, of another draw.
        targets: as `loss` takes them: class indices (batch, *rest), or probabilities.
        alpha: weight of the divergence, 0 or more.
        loss: of logits and targets, a mean over the batch.
        ignore_index: positions with this target count in no divergence; `F.cross_entropy` ignores -100.

    Returns:
        A tensor of one number.

    Raises:
        ValueError: an `alpha` that is no such number, logits without a class axis, or two shapes of them.
        TypeError: logits that are no tensor.

    Example:
        >>> import torch, thinned.torch
        >>> first, second = torch.tensor([[0.0, 3.0]]).log1p(), torch.zeros(1, 2)
        >>> targets = torch.tensor([1])
        >>> both = sum(torch.nn.functional.cross_entropy(logits, targets) for logits in (first, second))
        >>> round(float(thinned.torch.r_drop_loss(first, second, targets, alpha=2.0) - both), 4)
        0.4159

    References:
        Liang et al., "R-Drop: Regularized Dropout for Neural Networks", 2021, https://arxiv.org/abs/2106.14448,
        equation 4.
    """
    check_alpha(alpha)
    for logits in (first, second):
        if not isinstance(logits, Tensor):
            raise TypeError(
                f"expected logits, a tensor, as what the model returns; got {type(logits).__name__}. Wrap the "
                "model in a module that returns them, such as its .logits."
            )
    if first.shape != second.shape or not first.dim():
        raise ValueError(
            "expected two tensors of logits of one shape, axes (batch, class, *rest) or (class); got "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    apart = _divergence(first, second, min(first.dim() - 1, 1))
    if targets.is_floating_point():
        mean = apart.mean()
    else:
        # As many as there are, and at least one: a batch of ignored positions is not apart.
        counts = (targets != ignore_index).expand_as(apart)
        mean = apart.masked_fill(~counts, 0).sum() / counts.sum().clamp(min=1)
    return loss(first, targets) + loss(second, targets) + alpha * mean


def _divergence(first: Tensor, second: Tensor, axis: int) -> Tensor:
    """The formula of `methods.r_drop.divergence`; it stays finite where classes are excluded."""
    exact = torch.float64 if first.dtype == torch.float64 else torch.float32
    one, two = (logits.log_softmax(axis, dtype=exact) for logits in (first, second))
    excluded = (first == -torch.inf) & (second == -torch.inf)
    one, two = one.masked_fill(excluded, 0), two.masked_fill(excluded, 0)
    # Twice exp(0) where a class is excluded: their difference is 0.
    return 0.5 * ((one.exp() - two.exp()) * (one - two)).sum(axis)
