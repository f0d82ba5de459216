"""Which layers treat each unit alone, which multiply, and what stands behind what in a chain of them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from thinned.methods.schedule import Schedule
from thinned.torch.layers.batch_dropout import BatchDropout

_ZERO_TO_ZERO = {
    nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh,
    nn.Hardswish, nn.Softsign, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink,
}  # fmt: skip
_ELEMENTWISE = {*_ZERO_TO_ZERO, nn.Sigmoid, nn.LogSigmoid, nn.Hardsigmoid, nn.Softplus}
_POOLS: dict[type[nn.Module], int] = {
    **dict.fromkeys((nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveMaxPool1d, nn.AdaptiveAvgPool1d), 1),
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d), 2),
    **dict.fromkeys((nn.MaxPool3d, nn.AvgPool3d, nn.AdaptiveMaxPool3d, nn.AdaptiveAvgPool3d), 3),
}
_CONVOLUTIONS: dict[type[nn.Module], int] = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
_PLAIN = (Tensor, nn.Parameter)

Predicate = Callable[[nn.Module], bool]


def leaves(sequence: nn.Sequential, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The layers that a sequence runs, those of sequences in it among them, with their paths."""
    # Not `named_children`, which leaves out a layer that stands in two places, as one with tied weights does.
    for name, layer in sequence._modules.items():
        if isinstance(layer, nn.Sequential) and _runs_in_order(layer) and not is_watched(layer):
            yield from leaves(layer, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", layer


def _runs_in_order(layer: nn.Sequential) -> bool:
    forward: Any = type(layer).forward
    return forward is nn.Sequential.forward or hasattr(forward, "is_compact")


def is_watched(layer: Any) -> bool:
    """Whether something would miss the call of a layer, or change what it does: hooks, another `forward`."""
    return bool(
        layer._forward_hooks
        or layer._forward_pre_hooks
        or layer._backward_hooks
        or layer._backward_pre_hooks
        or "forward" in layer.__dict__
    )


def is_dropout(layer: nn.Module) -> bool:
    """Whether it is batchwise dropout, whatever it does now."""
    return type(layer) is BatchDropout and not is_watched(layer)


def is_thinning(layer: nn.Module) -> bool:
    """Whether it is batchwise dropout that drops, at a rate that is no tensor."""
    return (
        type(layer) is BatchDropout
        and layer.training
        and isinstance(layer.p, (float, int, Schedule))
        and layer.p != 0
        and not is_watched(layer)
    )


def is_alone(layer: nn.Module, axes: int, axis: int) -> bool:
    """Whether a layer treats each unit on its own and maps 0 to 0, for activations with units on an axis."""
    if is_watched(layer):
        return False
    if type(layer) is BatchDropout:  # that does nothing: one that drops was asked for before
        return not layer.training or (not isinstance(layer.p, Tensor) and layer.p == 0)
    return type(layer) in _ZERO_TO_ZERO or (axis == 1 and _pools(layer, axes))


def _pools(layer: Any, axes: int) -> bool:
    return _POOLS.get(type(layer), -1) == axes - 2 and not getattr(layer, "return_indices", False)


def is_flat(layer: Any) -> bool:
    """Whether it puts all positions of a unit side by side."""
    return type(layer) is nn.Flatten and (layer.start_dim, layer.end_dim) == (1, -1) and not is_watched(layer)


def multiplies(layer: Any) -> bool:
    """Whether it is a linear layer, or a convolution in which every output reads every input."""
    if is_watched(layer) or type(layer) not in {nn.Linear, *_CONVOLUTIONS}:
        return False
    return type(layer.weight) in _PLAIN and (type(layer) is nn.Linear or layer.groups == 1)


def units_axis(layer: nn.Module, axes: int) -> int | None:
    """Where units are in what a layer that multiplies takes and gives; None where it does not take so many axes."""
    if type(layer) is nn.Linear:
        return axes - 1 if axes > 1 else None
    return 1 if _CONVOLUTIONS.get(type(layer), -1) == axes - 2 else None


def thinned_by(
    layers: Sequence[nn.Module], place: int, thins: Predicate = is_thinning
) -> BatchDropout | None:
    """The dropout whose units are those of the layer at `place`, which multiplies; None where there is none."""
    if not multiplies(layers[place]):
        return None
    positions = _CONVOLUTIONS.get(type(layers[place]), 0)
    for layer in layers[place + 1 :]:
        if thins(layer):
            assert isinstance(layer, BatchDropout)  # noqa: S101 - for the type checker
            return layer
        alone = type(layer) in _ELEMENTWISE and not is_watched(layer)
        if not alone and not is_alone(layer, positions + 2, 1 if positions else -1):
            return None
    return None


def read_by(layers: Sequence[nn.Module], place: int) -> int | None:
    """The place of the layer that multiplies what the dropout at `place` leaves; None where there is none."""
    for later, layer in enumerate(layers[place + 1 :], place + 1):
        if multiplies(layer):
            return later
        pools = type(layer) in _POOLS and is_alone(layer, _POOLS[type(layer)] + 2, 1)
        if not pools and not is_flat(layer) and not is_alone(layer, 0, -1):
            return None
    return None
