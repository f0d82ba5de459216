"""The max-norm constraint, for after the optimiser's step."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from thinned.methods.max_norm import check_radius, unit_axis

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)


@torch.no_grad()
def max_norm(of: nn.Module | Tensor | Iterable[Tensor], c: float, axis: int = 0) -> Tensor:
    """Scale down, in place, the incoming weights of each unit whose norm is above `c`. Call it after each step.

        w_u <- w_u min(1, c / |w_u|),   u a unit

    Of a module, the weights of all `nn.Linear` and of all convolutions in it; a unit is an output feature or an
    output channel. Biases are left alone. Units within the ball keep every bit, and a second call changes nothing:
    norms are computed in float64, and count as above `c` from c (1 + eps) on, with the eps of the weights' dtype.
    Units with a weight that is not finite are left alone.

    Args:
        of: a module, a weight, or several weights.
        c: the largest norm, above 0; the paper takes 1 to 4.
        axis: of units, for weights that are given as such; 0, as PyTorch lays out `nn.Linear` and `nn.Conv2d`.

    Returns:
        How many units were scaled down, an int64 tensor of one number.

    Raises:
        ValueError: a `c` that is no such number, an axis that is not there, a module without such layers, or with
            one whose weight is computed from other parameters (`torch.nn.utils.parametrize`): give those instead.
        TypeError: weights that are no tensors of floating-point numbers.

    Example:
        >>> import torch, thinned.torch
        >>> layer = torch.nn.Linear(2, 2, bias=False)
        >>> layer.weight.data = torch.tensor([[3.0, 4.0], [0.5, 0.0]])
        >>> thinned.torch.max_norm(layer, 1.0)
        tensor(1)
        >>> layer.weight.data
        tensor([[0.6000, 0.8000],
                [0.5000, 0.0000]])

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15, 2014,
        https://jmlr.org/papers/v15/srivastava14a.html, section 5.1.
    """
    check_radius(c)
    if isinstance(of, nn.Module):
        found = list(_weights(of))
    else:
        bare = [of] if isinstance(of, Tensor) else list(of)
        for weight in bare:
            if not isinstance(weight, Tensor) or not weight.is_floating_point():
                what = weight.dtype if isinstance(weight, Tensor) else type(weight).__name__
                raise TypeError(
                    f"expected a module, or weights as tensors of floating-point numbers; got {what}. Call "
                    "max_norm once for each of several modules."
                )
        found = [(weight, (unit_axis(weight.dim(), axis),)) for weight in bare]
    if not found:
        raise ValueError(
            "expected a module with nn.Linear or convolutions in it, or weights; got none. Give the weights "
            "themselves: max_norm(layer.weight, c, axis)."
        )
    counts = [_pull(weight, units, c) for weight, units in found]
    return torch.stack([count.to(counts[0].device) for count in counts]).sum()


def _weights(module: nn.Module) -> Iterator[tuple[Tensor, tuple[int, ...]]]:
    """The weights of a module's layers, each once, with the axes that tell units apart."""
    seen: set[int] = set()
    for name, layer in module.named_modules():
        if not isinstance(layer, _LAYERS):
            continue
        weight = layer._parameters.get("weight")
        if weight is None:
            raise ValueError(
                f"expected weights that are parameters; that of {name or type(layer).__name__!r} is computed from "
                "others. Call max_norm with those, before or after: max_norm(parameters, c, axis)."
            )
        if id(weight) in seen:
            continue
        seen.add(id(weight))
        if isinstance(layer, _TRANSPOSED):
            # (in, out / groups, ...): each group of inputs has output units of its own.
            yield weight.unflatten(0, (layer.groups, -1)), (0, 2)
        else:
            yield weight, (0,)


def _pull(weight: Tensor, units: tuple[int, ...], c: float) -> Tensor:
    """Pull units back to the ball; how many there were."""
    others = [axis for axis in range(weight.dim()) if axis not in units]
    norm = torch.linalg.vector_norm(weight, dim=others, keepdim=True, dtype=torch.float64)
    # What was scaled to c has a norm of up to c (1 + eps / 2), by rounding; scaled again it would never rest.
    above: Tensor = (norm > c * (1 + torch.finfo(weight.dtype).eps)) & norm.isfinite()
    weight.mul_(torch.where(above, c / norm, 1))
    return above.sum()
