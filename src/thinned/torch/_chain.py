"""Chains of layers with batchwise dropout among them, run on the kept units alone.

The layers are walked once. A linear layer or convolution whose units a `BatchDropout` thins a little later
multiplies by the rows of its weight that are kept, and the one behind the dropout by the columns. What runs
between must treat each unit alone, and behind the dropout map 0 to 0, so that a dropped unit may as well not be
there; `_units.py` knows which layers do. Whatever else comes gets the whole activations, with zeros in them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thinned.mask.rate import scale, threshold
from thinned.methods.batch_dropout import stretches
from thinned.torch._functional import thin
from thinned.torch._submatrix import submatrices
from thinned.torch._units import is_alone, is_flat, is_thinning, multiplies, read_by, thinned_by, units_axis
from thinned.torch.layers.batch_dropout import BatchDropout


@dataclass(frozen=True, slots=True)
class Thinned:
    """Activations of which only kept units are there.

    Args:
        parts: one tensor for each stretch of rows that is thinned alike.
        ends: where each ends among the rows, ascending.
        kept: the units of each, or None where all are there.
        rows: the axis of the batch, from the front.
        axis: the axis of the units, from the front.
        units: how many the whole network has there.
        block: how many consecutive features are one unit's, behind a flattening.
        due: the layer that drops them, until it is reached; its factors for the parts are in `factors`.
    """

    parts: list[Tensor]
    ends: list[int]
    kept: list[Tensor | None]
    rows: int
    axis: int
    units: int
    block: int = 1
    due: BatchDropout | None = None
    factors: tuple[float, ...] = ()

    @property
    def dim(self) -> int:
        """How many axes they have."""
        return self.parts[0].dim()

    def each(self, function: Callable[[Tensor], Tensor]) -> "Thinned":
        """Apply what treats units alone."""
        return replace(self, parts=[function(part) for part in self.parts])

    def scaled(self) -> "Thinned":
        """The dropout that was due is done."""
        parts = [_scaled(part, factor) for part, factor in zip(self.parts, self.factors, strict=True)]
        return replace(self, parts=parts, due=None, factors=())

    def flattened(self) -> "Thinned":
        """Axes behind the units' laid side by side."""
        return replace(
            self.each(lambda part: part.flatten(1)), block=self.block * self.parts[0][0, 0].numel()
        )

    def cut(self, ends: list[int]) -> "Thinned":
        """The same rows in stretches at least as fine."""
        if ends == self.ends:
            return self
        parts, kept, place, first = [], [], 0, 0
        for end in ends:
            start = self.ends[place - 1] if place else 0
            parts.append(self.parts[place].narrow(self.rows, first - start, end - first))
            kept.append(self.kept[place])
            first = end
            place += end == self.ends[place]
        return replace(self, parts=parts, kept=kept, ends=ends)

    def whole(self) -> Tensor:
        """All units, with zeros where they were dropped."""
        return _joined(list(map(self._filled, self.parts, self.kept)), self.rows)

    def _filled(self, part: Tensor, kept: Tensor | None) -> Tensor:
        if kept is None:
            return part
        part = part.unflatten(self.axis, (len(kept), self.block))
        shape = list(part.shape)
        shape[self.axis] = self.units
        return part.new_zeros(shape).index_copy(self.axis, kept, part).flatten(self.axis, self.axis + 1)


class _Drawn(NamedTuple):
    """The draw of a dropout: for each stretch of rows where it ends, which units it keeps, and its factor."""

    ends: list[int]
    kept: list[Tensor]
    factors: list[float]


def run(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    """The layers one after the other, on kept units where that can be."""
    state: Tensor | Thinned = x
    for place in range(len(layers)):
        after = _on_thinned(layers, place, state) if isinstance(state, Thinned) else None
        if after is None:
            whole = state.whole() if isinstance(state, Thinned) else state
            after = _on_whole(layers, place, whole)
        state = after
    return state.whole() if isinstance(state, Thinned) else state


def _on_thinned(layers: Sequence[nn.Module], place: int, x: Thinned) -> Tensor | Thinned | None:
    """One layer on kept units; None where it asks for all of them."""
    layer: Any = layers[place]
    if layer is x.due:
        return x.scaled()
    if x.due is not None or is_alone(layer, x.dim, x.axis):
        return x.each(layer)
    if is_flat(layer) and (x.rows, x.axis) == (0, 1):
        return x.flattened() if x.dim > 2 else x
    inputs = getattr(layer, "in_features", None) or getattr(layer, "in_channels", None)
    if multiplies(layer) and units_axis(layer, x.dim) == x.axis and inputs == x.units * x.block:
        return _multiply(layers, place, x)
    return None


def _on_whole(layers: Sequence[nn.Module], place: int, x: Tensor) -> Tensor | Thinned:
    """One layer on all units; what it gives may be thinned."""
    layer: Any = layers[place]
    dropout = thinned_by(layers, place)
    if dropout is not None:
        axis = units_axis(layer, x.dim())
        # A wrong size is refused by the layer itself, in words that name its whole weight.
        if axis is not None and x.shape[axis] == layer.weight.shape[1] and _fits(dropout, x, axis):
            rows = _rows_axis(dropout, x.dim())
            return _multiply(layers, place, Thinned([x], [x.shape[rows]], [None], rows, axis, 0))
    elif is_thinning(layer) and read_by(layers, place) is not None:
        axis = layer.axis % x.dim() if x.dim() else 0
        if _fits(layer, x, axis):
            return _drop_inputs(layer, x, axis)
    return cast(Tensor, layer(x))


def _fits(dropout: BatchDropout, x: Tensor, axis: int) -> bool:
    """Whether a dropout's units are on this axis of the activations, and there is a batch on another."""
    rows = _rows_axis(dropout, x.dim())
    return (
        -x.dim() <= dropout.axis < x.dim()
        and dropout.axis % x.dim() == axis
        and 0 <= rows != axis
        and x.shape[rows] > 0
    )


def _rows_axis(dropout: BatchDropout, axes: int) -> int:
    """The axis of the batch, from the front; below 0 where there is none."""
    binding = dropout._binding
    axis = 0 if binding is None or binding.batch is None else binding.batch[0]
    return axis % axes if -axes <= axis < axes else -1


def _multiply(layers: Sequence[nn.Module], place: int, x: Thinned) -> Tensor | Thinned:
    """A linear layer or convolution, by what is kept of its weight."""
    layer: Any = layers[place]
    dropout, units = thinned_by(layers, place), layer.weight.shape[0]
    if dropout is None or not _fits(dropout, x.parts[0], x.axis) or _rows_axis(dropout, x.dim) != x.rows:
        return _joined(_products(layer, x, [None] * len(x.parts)), x.rows)
    drawn = _draw(dropout, x.parts[0], x.ends[-1], units)
    ends = sorted({*x.ends, *drawn.ends})
    x = x.cut(ends)
    which = [next(i for i, last in enumerate(drawn.ends) if end <= last) for end in ends]
    kept: list[Tensor | None] = [drawn.kept[i] for i in which]
    factors = tuple(drawn.factors[i] for i in which)
    return Thinned(_products(layer, x, kept), ends, kept, x.rows, x.axis, units, due=dropout, factors=factors)


def _products(layer: Any, x: Thinned, kept: list[Tensor | None]) -> list[Tensor]:
    """`layer` on each part, with the rows that are kept of its weight and bias."""
    is_linear = type(layer) is nn.Linear
    weight, bias = layer.weight, layer.bias
    if x.block > 1:
        weight = weight.unflatten(1, (x.units, x.block))
    weights = submatrices(weight, list(zip(kept, x.kept, strict=True)))
    # A bias is short: PyTorch's own indexing is quicker than a node of ours.
    biases = [bias if bias is None or rows is None else bias.index_select(0, rows) for rows in kept]
    multiply = F.linear if is_linear else layer._conv_forward
    return [
        multiply(part, weight.flatten(1) if is_linear else weight, bias)
        for part, weight, bias in zip(x.parts, weights, biases, strict=True)
    ]


def _drop_inputs(dropout: BatchDropout, x: Tensor, axis: int) -> Thinned:
    """The kept units of activations that were computed whole."""
    rows = _rows_axis(dropout, x.dim())
    drawn = _draw(dropout, x, x.shape[rows], x.shape[axis])
    state = Thinned([x], [x.shape[rows]], [None], rows, axis, x.shape[axis]).cut(drawn.ends)
    parts = [part.index_select(axis, kept) for part, kept in zip(state.parts, drawn.kept, strict=True)]
    return replace(state, parts=parts, kept=list(drawn.kept), factors=tuple(drawn.factors)).scaled()


def _draw(dropout: BatchDropout, x: Tensor, rows: int, units: int) -> _Drawn:
    """What a dropout keeps of some units, for so many rows: once a call, as its own `forward` would."""
    found = list(stretches(rows, dropout.groups, dropout.batch(x.new_empty((rows, 0)))))
    address = dropout.address(x)
    rate = dropout.rate_at(dropout.p, address)
    # The masks of all groups, also of those that have no row here: a plan without a window is one that is kept.
    mask = thin(torch.ones(dropout.groups, units, device="cpu"), rate, address) != 0
    kept, factors = [], []
    for stretch in found:
        places = mask[stretch.group].nonzero().squeeze(1)
        factors.append(scale(threshold(rate)) if len(places) else 0.0)
        # PyTorch gives a convolution of no channels a wrong shape: one unit stays, and its factor is 0.
        kept.append((places if len(places) else torch.zeros(1, dtype=torch.int64)).to(x.device))
    return _Drawn([stretch.end for stretch in found], kept, factors)


def _scaled(x: Tensor, factor: float) -> Tensor:
    # Dropping selects zero: 0 times infinity would be NaN.
    return x * factor if factor else x.masked_fill(torch.ones((), dtype=torch.bool, device=x.device), 0)


def _joined(parts: list[Tensor], axis: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, axis)
