"""Submatrices of weights, gathered for a product; their gradients are scattered back into the full shape.

A gather is linear, so its gradient saves indices alone. It is one node for all groups of a batch: a full-sized
gradient is filled with zeros once, whatever their number.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

Choice: TypeAlias = tuple[Tensor | None, Tensor | None]
"""Indices along the first and the second axis; None takes all."""


def submatrices(weight: Tensor, choices: list[Choice]) -> tuple[Tensor, ...]:
    """`weight[rows][:, columns]` for each choice, differentiably.

    Args:
        weight: axes (row, column, *rest), or (row,) where no choice has columns.
        choices: distinct indices, in any order; each index at most once.

    Example:
        >>> import torch
        >>> weight = torch.arange(6.0).view(2, 3).requires_grad_()
        >>> (part,) = submatrices(weight, [(torch.tensor([1]), torch.tensor([0, 2]))])
        >>> part.sum().backward()
        >>> part.tolist(), weight.grad.tolist()
        ([[3.0, 5.0]], [[0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])
    """
    return cast(tuple[Tensor, ...], _Gather.apply(weight, choices))  # type: ignore[no-untyped-call]


class _Gather(torch.autograd.Function):
    """Take submatrices."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, choices: list[Choice]) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        ctx.choices, ctx.shape = choices, weight.shape
        wide = _wide(weight, choices)
        return tuple(_take(weight, rows, columns, wide) for rows, columns in choices)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None]:
        there = [
            (choice, part) for choice, part in zip(ctx.choices, gradients, strict=True) if part is not None
        ]
        if not there:
            return None, None
        choices, parts = zip(*there, strict=True)
        return _Scatter.apply(ctx.shape, choices, *parts), None  # type: ignore[no-untyped-call]


class _Scatter(torch.autograd.Function):
    """Its transpose: zeros with the parts added at their places; a node of its own for second derivatives."""

    @staticmethod
    def forward(ctx: Any, shape: torch.Size, choices: tuple[Choice, ...], *parts: Tensor) -> Tensor:
        ctx.choices = choices
        whole = parts[0].new_zeros(shape)
        wide = _wide(whole, choices)
        for turn, (choice, part) in enumerate(zip(choices, parts, strict=True)):
            _put(whole, *choice, part, wide, first=turn == 0)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *submatrices(gradient, list(ctx.choices))


def _wide(whole: Tensor, choices: Sequence[Choice]) -> Tensor:
    """Room for the rows of any choice that picks columns as well; one for all, since fresh memory costs more."""
    both = [len(rows) for rows, columns in choices if rows is not None and columns is not None]
    return whole.new_empty((max(both), *whole.shape[1:])) if both else whole


def _take(weight: Tensor, rows: Tensor | None, columns: Tensor | None, wide: Tensor) -> Tensor:
    if columns is None:
        return weight.clone() if rows is None else weight.index_select(0, rows)
    if rows is not None:
        # Rows first: they are contiguous, and leave fewer from which to pick columns.
        weight = torch.index_select(weight, 0, rows, out=wide[: len(rows)])
    return weight.index_select(1, columns)


def _put(
    whole: Tensor, rows: Tensor | None, columns: Tensor | None, part: Tensor, wide: Tensor, *, first: bool
) -> None:
    if rows is None:
        _put_columns(whole, columns, part, first=first)
        return
    if columns is not None:
        # In whole rows again, which are then copied as they lie: half the time of one scatter along both axes.
        wide = wide[: len(rows)].zero_()
        _put_columns(wide, columns, part, first=True)
        part = wide
    if first:
        whole.index_copy_(0, rows, part)
    else:
        whole.index_add_(0, rows, part)


def _put_columns(whole: Tensor, columns: Tensor | None, part: Tensor, *, first: bool) -> None:
    if columns is None:
        whole.add_(part)
    elif whole.dim() == 2:
        places = columns.expand(len(part), -1)
        if first:
            whole.scatter_(1, places, part)
        else:
            whole.scatter_add_(1, places, part)
    elif first:
        whole.index_copy_(1, columns, part)
    else:
        whole.index_add_(1, columns, part)
