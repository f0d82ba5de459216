"""Evaluation by moments: an activation averaged over normal pre-activations."""

from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from thinned.mask.rate import quantise
from thinned.mask.truth import normal
from thinned.methods.dropconnect import spread

_AT_ONCE = 1 << 20
"""Numbers that one call of the activation is given."""


def averaged(
    activation: Callable[[Tensor], Tensor],
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    rate: float,
    drop_bias: bool,
    samples: int,
    seed: int,
    site: str,
) -> Tensor:
    """The mean of `activation(u)`, `u` normal: `E[u] = w x + b`, `Var[u] = q / (1 - q) (w^2 x^2 + b^2)`.

    At rate 1 nothing is left of what is dropped, and `u` is 0, or the bias that stays.

    Args:
        activation: of rows, axes (row, ..., out); it is given many samples of each row as rows.
        x: axes (..., in).
        weight: axes (out, in).
        bias: axes (out,), or None.
        rate: probability of dropping a weight; `q` when it is quantised.
        drop_bias: whether the bias is dropped too.
        samples: how many make the mean.
        seed: of the normal draws, axes (sample, out), which all rows share.
        site: of the same.
    """
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    values = [None if value is None else value.to(exact) for value in (x, weight, bias)]
    rows, matrix, offset = values
    assert rows is not None and matrix is not None  # noqa: S101, PT018 - for the type checker
    if quantise(rate) == 1:
        matrix, offset = torch.zeros_like(matrix), None if drop_bias else offset
    mean = F.linear(rows, matrix, offset)
    variance = spread(rate) * F.linear(
        rows**2, matrix**2, offset**2 if offset is not None and drop_bias else None
    )
    # The root of 0 has no gradient; a row of zeros is common behind a relu.
    certain = variance <= 0
    deviation = torch.where(certain, 1, variance).sqrt().masked_fill(certain, 0)
    draws = _normals(samples, weight.shape[0], seed, site).to(mean)
    total: Tensor | float = 0.0
    for part in draws.split(max(1, _AT_ONCE // max(1, mean.numel()))):
        noise = part.reshape(len(part), *(1,) * (mean.dim() - 1), -1)
        units = mean + noise * deviation
        rows = units.flatten(0, 1) if mean.dim() > 1 else units
        outputs = activation(rows.to(x.dtype)).to(exact)
        total = total + (outputs.unflatten(0, (len(part), -1)) if mean.dim() > 1 else outputs).sum(0)
    assert isinstance(total, Tensor)  # noqa: S101 - there is a sample
    return (total / samples).to(x.dtype)


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _normals(samples: int, width: int, seed: int, site: str) -> Tensor:
    return _kept(samples, width, seed, site)


@lru_cache(maxsize=16)
def _kept(samples: int, width: int, seed: int, site: str) -> Tensor:
    with torch.inference_mode(False):
        return torch.from_numpy(normal((samples, width), seed=seed, site=site))
