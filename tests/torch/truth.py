"""What tensors are compared with: the law's mask from NumPy, applied with plain tensor operations."""

import numpy as np
import torch

from thinned.mask import keep, threshold, uniform
from thinned.mask.rate import scale
from thinned.methods.concrete_dropout import factor, logit_of

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
FORMATS = [torch.contiguous_format, torch.channels_last]
WHERE = {"seed": 11, "site": 12, "step": 13, "draw": 14}
"""An address, as keyword arguments."""


def name(value):
    """A dtype or memory format as a test's id: `torch.float32` is `float32`."""
    return str(value).removeprefix("torch.")


def mask(x, rate, share=(), window=None, **address):
    """The law's mask, as a bool tensor that broadcasts against `x`."""
    return torch.from_numpy(keep(tuple(x.shape), rate, share=share, window=window, **address))


def dropped(x, rate, **where):
    """`y = k x s`: multiplied in float32, or float64, and rounded once; what is dropped is +0."""
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    factor = torch.tensor(scale(threshold(rate)), dtype=exact)
    return torch.where(mask(x, rate, **where), x.detach().to(exact) * factor, 0).to(x.dtype)


def same(expected, actual):
    """Whether two tensors have the same shape, dtype and bits; every NaN counts as the same."""
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return False
    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[expected.element_size()]
    one, two = (torch.where(t.isnan(), 7, t).detach().contiguous() for t in (expected, actual))
    return bool((expected.isnan() == actual.isnan()).all()) and torch.equal(
        one.view(integers), two.view(integers)
    )


def odd_values(shape, dtype, seed=0):
    """Ordinary values with a sprinkling of what arithmetic gets wrong."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64).reshape(-1)
    odd = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, torch.nan, 1e-40, -6e-8, 65504.0, 3e38])
    x[::5] = odd.double().repeat(-(-x.numel() // 5) // 9 + 1)[: x[::5].numel()]
    return x.reshape(shape).to(dtype)


def relaxed_factors(shape, p, t=0.1, share=(), window=None, **where):
    """What concrete dropout multiplies by, from the law's uniforms, in float64."""
    u = uniform(shape, share=share, window=window, **where)
    return torch.from_numpy(factor(np.float64(logit_of(p)), np.log((1 - u) / u), t))
