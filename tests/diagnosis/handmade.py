"""Dropout written by hand, right and wrong, as people write it: each is put between two linear layers."""

import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

KEEP = 0.7


class Between(nn.Module):
    """Linear, ReLU, `drop(h, training)`, linear."""

    def __init__(self, drop):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.drop = nn.Linear(64, 64), nn.Linear(64, 10), drop

    def forward(self, x):
        """In this order."""
        return self.last(self.drop(self.first(x).relu(), self.training))


def only_in_training(drop):
    """A function of data alone, off in evaluation."""
    return lambda h, training: drop(h) if training else h


def _assigned(h):
    h = h.clone()
    h[torch.rand_like(h) < 1 - KEEP] = 0
    return h / KEEP


def _in_place(h):
    h = h + 0
    return h.mul_(torch.rand_like(h) < KEEP).div_(KEEP)


class Saved(torch.autograd.Function):
    """Keeps its mask for backward."""

    @staticmethod
    def forward(ctx, x):
        """Drop."""
        mask = (torch.rand_like(x) < KEEP) / KEEP
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx, gradient):
        """Drop the gradient."""
        return gradient * ctx.saved_tensors[0]


class Redrawn(torch.autograd.Function):
    """Draws another one."""

    @staticmethod
    def forward(ctx, x):
        """Drop."""
        return x * (torch.rand_like(x) < KEEP) / KEEP

    @staticmethod
    def backward(ctx, gradient):
        """Drop the gradient."""
        return gradient * (torch.rand_like(gradient) < KEEP) / KEEP


def _numpy(h):
    return torch.from_numpy((np.random.rand(*h.shape) < KEEP).astype("float32"))  # noqa: NPY002


def _vmapped(randomness):
    return torch.vmap(lambda row: F.dropout(row, 1 - KEEP), randomness=randomness)


def _fixed(h):
    generator = torch.Generator().manual_seed(0)
    return h * (torch.rand(h.shape, generator=generator) < KEEP) / KEEP


RIGHT = {
    name: only_in_training(drop)
    for name, drop in {
        "bernoulli": lambda h: h * torch.bernoulli(torch.full_like(h, KEEP)) / KEEP,
        "scaled first": lambda h: h / KEEP * torch.bernoulli(torch.full_like(h, KEEP)),
        "where": lambda h: torch.where(torch.rand_like(h) < KEEP, h / KEEP, torch.zeros_like(h)),
        "where not": lambda h: torch.where(torch.rand_like(h) >= KEEP, 0.0, h / KEEP),
        "masked_fill": lambda h: h.masked_fill(torch.rand_like(h) >= KEEP, 0) / KEEP,
        "assigned": _assigned,
        "in place": _in_place,
        "numpy": lambda h: h * _numpy(h) / KEEP,
        "bfloat16": lambda h: F.dropout(h.bfloat16(), 1 - KEEP).float(),
        "gaussian": lambda h: h * (1 + 0.5 * torch.randn_like(h)),
        "sampled": lambda h: h + h.exp() * torch.randn_like(h),
        "saved": Saved.apply,
        "vmapped": _vmapped("different"),
        "native": lambda h: torch.native_dropout(h, 1 - KEEP, True)[0],
    }.items()
}

WRONG = {
    "never scaled": ("wrong-strength", only_in_training(lambda h: h * (torch.rand_like(h) < KEEP))),
    "divided by the rate": (
        "wrong-strength",
        only_in_training(lambda h: h * (torch.rand_like(h) < KEEP) / 0.3),
    ),
    "off centre": ("wrong-strength", only_in_training(lambda h: h * (1.3 + torch.randn_like(h)))),
    "numpy in evaluation": ("active-in-eval", lambda h, training: h * _numpy(h) / KEEP),
    "python in evaluation": ("stochastic-in-eval", lambda h, training: h * random.random()),  # noqa: S311
    "always training": ("active-in-eval", lambda h, training: F.dropout(h, 0.3, True)),
    "redrawn": ("backward-mask", only_in_training(Redrawn.apply)),
    "same lanes": ("same-mask-in-batch", only_in_training(_vmapped("same"))),
    "own generator": ("same-mask-each-step", only_in_training(_fixed)),
    "all": ("high-rate", lambda h, training: F.dropout(h, 1.0, training)),
    "native in evaluation": ("active-in-eval", lambda h, training: torch.native_dropout(h, 0.3, True)[0]),
}
"""The rule that must find it, and the function."""
