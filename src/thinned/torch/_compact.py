"""Train on the kept units alone: models with batchwise dropout whose dropped units cost nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from thinned.torch._bind import named_modules, unwrapped
from thinned.torch._chain import run
from thinned.torch._ticket import is_forward_mode, is_traced
from thinned.torch._units import is_dropout, is_thinning, leaves, read_by, thinned_by
from thinned.torch.layers.batch_dropout import BatchDropout


@dataclass
class CompactReport:
    """What `compact` found.

    Args:
        compacted: name of a dropout -> the layers that are computed on its kept units alone.
        left: name of a dropout -> why it still runs as a mask, and what to do.

    Example:
        >>> print(CompactReport({"drop1": "rows of fc1, columns of fc2"}))
        compacted 1, left 0
          drop1: rows of fc1, columns of fc2
    """

    compacted: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line a dropout."""
        lines = [f"compacted {len(self.compacted)}, left {len(self.left)}"]
        lines += [f"  {name}: {what}" for name, what in self.compacted.items()]
        lines += [f"  {name or '(the model itself)'}: left; {why}" for name, why in self.left.items()]
        return "\n".join(lines)


class CompactSequential(nn.Sequential):
    """`nn.Sequential` that computes, in training, only the units that its `BatchDropout` layers keep."""

    def forward(self, input: Any) -> Any:  # noqa: A002 - PyTorch's name for it
        """The layers one after the other; compiled or under a transformation, with masks."""
        if isinstance(input, Tensor) and not is_traced(input) and not is_forward_mode():
            layers = [layer for _, layer in leaves(self)]
            if any(map(is_thinning, layers)) and not _has_any_global_hook():
                return run(layers, input)
        return super().forward(input)  # type: ignore[no-untyped-call]

    forward.is_compact = True  # type: ignore[attr-defined]


def compact(model: nn.Module) -> CompactReport:
    """Compute only what batchwise dropout keeps: rows and columns of weights, forward and backward, in place.

        y = s W2[:, k] f(W1[k] x + b1[k]) + b2,   k the units that a `BatchDropout` keeps, s its scale

    In training, this is the masked network to the rounding of its sums: the same masks, loss and gradients, which
    come in their full shape with zeros at what was dropped, so that any optimiser, weight decay and momentum work
    as before. In evaluation it is the plain network. Where layers are wide it takes less time than training
    without dropout; `docs/compact.md` says when.

    It works in each `nn.Sequential`, and across those nested in it: `nn.Linear` and ungrouped convolutions, with
    elementwise activations, pooling and `nn.Flatten` between. Everything else runs as it is, on whole
    activations, and so does a layer with hooks, which must see them. Parameters, names and the state dict stay;
    binding, checkpointing, saving and copying work as without. `torch.compile` and `torch.func` run the masks:
    shapes that change with the step would compile anew at each.

    Args:
        model: any module with `BatchDropout` layers, wrapped or not, bound or free, before or after.

    Returns:
        A report: what is computed on kept units alone, and which dropout was left as a mask, and why. Print it.

    Example:
        >>> import torch, thinned.torch
        >>> model = torch.nn.Sequential(
        ...     torch.nn.Linear(8, 32), torch.nn.ReLU(), thinned.torch.BatchDropout(0.5), torch.nn.Linear(32, 2)
        ... )
        >>> print(thinned.torch.compact(model))
        compacted 1, left 0
          2: rows of 0, columns of 3
        >>> model(torch.ones(4, 8)).sum().backward()
        >>> model[3].weight.grad.shape
        torch.Size([2, 32])

    References:
        Graham, Reizenstein, Robinson, "Efficient batchwise dropout training using submatrices", 2015,
        https://arxiv.org/abs/1502.02478.
    """
    report = CompactReport()
    known: set[int] = set()
    for path, sequence in _sequences(unwrapped(model)):
        names, layers = zip(*leaves(sequence, f"{path}." if path else ""), strict=True)
        found = dict(_found(names, layers))
        if found and type(sequence) is nn.Sequential:
            sequence.__class__ = CompactSequential
        if type(sequence) is not CompactSequential:
            continue
        new = {name: what for name, what in found.items() if id(layers[names.index(name)]) not in known}
        report.compacted.update(new)
        known.update(id(layers[names.index(name)]) for name in new)
    for name, module in named_modules(unwrapped(model)):
        if isinstance(module, BatchDropout) and id(module) not in known:
            report.left[name] = _why_left(unwrapped(model), module)
        elif isinstance(module, nn.modules.dropout._DropoutNd):
            report.left[name] = "draws for each sample; only BatchDropout thins the network of a whole batch"
    return report


def uncompact(model: nn.Module) -> None:
    """Run masks again, on whole layers; nothing happens to a model that is not compact.

    Example:
        >>> import torch, thinned.torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 32), thinned.torch.BatchDropout(0.5))
        >>> _ = thinned.torch.compact(model)
        >>> thinned.torch.uncompact(model)
        >>> type(model)
        <class 'torch.nn.modules.container.Sequential'>
    """
    for module in unwrapped(model).modules():
        if type(module) is CompactSequential:
            module.__class__ = nn.Sequential  # type: ignore[assignment]


def _sequences(root: nn.Module) -> Iterator[tuple[str, nn.Sequential]]:
    """The sequences of a model that are not empty, outer ones first."""
    for name, module in named_modules(root):
        if isinstance(module, nn.Sequential) and len(module):
            yield name, module


def _found(names: tuple[str, ...], layers: tuple[nn.Module, ...]) -> Iterator[tuple[str, str]]:
    """Each dropout that need not be a mask, and what it saves."""
    rows = {id(thinned_by(layers, place, is_dropout)): name for place, name in enumerate(names)}
    for place, (name, layer) in enumerate(zip(names, layers, strict=True)):
        if not is_dropout(layer):
            continue
        reader = read_by(layers, place)
        saved = [f"rows of {rows[id(layer)]}"] if id(layer) in rows else []
        saved += [f"columns of {names[reader]}"] if reader is not None else []
        if saved:
            yield name, ", ".join(saved)


def _why_left(root: nn.Module, dropout: nn.Module) -> str:
    holders = [each for _, each in _sequences(root) if any(layer is dropout for _, layer in leaves(each))]
    if not holders:
        return "stands in no nn.Sequential, so nothing says what runs before and behind it; put it into one"
    if not any(type(each) in {nn.Sequential, CompactSequential} for each in holders):
        return f"stands in {type(holders[0]).__name__}, a kind of nn.Sequential of its own; put it into a plain one"
    layers = [layer for _, layer in leaves(holders[0])]
    place = next(place for place, layer in enumerate(layers) if layer is dropout)
    beside = [
        type(layer).__name__ for layer in (*layers[max(0, place - 1) : place], *layers[place + 1 :][:1])
    ]
    return (
        "no nn.Linear or ungrouped convolution without hooks before or behind it, with nothing between but what "
        f"treats each unit alone; beside it: {', '.join(beside) or 'nothing'}"
    )
