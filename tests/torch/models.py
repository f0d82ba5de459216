"""Small models that tests bind, compile and checkpoint in every way."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import thinned.torch as tt

MODES = {"plain": None, "frames": False, "reentrant": True}
"""Names of the ways to run a piece of a model: as it is, and under PyTorch's two checkpoints."""


def through(mode, piece, *inputs):
    """Run a piece of a model in a mode."""
    if MODES[mode] is None:
        return piece(*inputs)
    return checkpoint(piece, *inputs, use_reentrant=MODES[mode], preserve_rng_state=False)


def mlp(width=8, p=0.5):
    """Linear, dropout, linear, dropout; the same weights each time."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(width, width), tt.Dropout(p), nn.Linear(width, width), tt.Dropout(p))


class Block(nn.Module):
    """A linear layer and dropout."""

    def __init__(self, drop=None, width=8):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.drop = tt.Dropout(0.5) if drop is None else drop

    def forward(self, x):
        """Bounded, so that equal draws give equal numbers."""
        return self.drop(torch.tanh(self.linear(x)))


class Tower(nn.Module):
    """Blocks that run in pairs, each pair in a mode; with `shared`, one dropout layer is used by all."""

    def __init__(self, mode="plain", shared=False, depth=4):
        super().__init__()
        torch.manual_seed(1)
        drop = tt.Dropout(0.5) if shared else None
        self.blocks = nn.ModuleList(Block(drop) for _ in range(depth))
        self.out = nn.Linear(8, 1)
        self.mode = mode

    def forward(self, x):
        """Pairs of blocks, then one number a row."""
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            # The sine's gradient depends on the draws that the recomputation makes.
            x = through(self.mode, lambda v, a=first, b=second: torch.sin(b(a(v))), x)
        return self.out(x)


class Elementwise(nn.Module):
    """A function of `x` and dropout layers, without weights, whose gradient shows every draw."""

    def __init__(self, run, drops=3):
        super().__init__()
        for name in "abc"[:drops]:
            setattr(self, name, tt.Dropout(0.5))
        self.run = run

    def forward(self, x):
        """Whatever `run` says."""
        return self.run(self, x)


def gradients(call, parameters=(), calls=1, steps=2):
    """What training gives: `steps` backward passes, each after `calls` root calls."""
    found = []
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        inputs = [torch.randn(3, 8, generator=generator).requires_grad_() for _ in range(calls)]
        loss = sum((call(x) * (turn + 1)).sum() for turn, x in enumerate(inputs))
        leaves = [*parameters, *inputs]
        for leaf in leaves:
            leaf.grad = None
        loss.backward()
        found += [leaf.grad.clone() for leaf in leaves]
    return found


def outputs(model, call, x, seed, calls=4):
    """What a newly bound model gives in its first calls."""
    tt.bind(model, seed)
    return [call(x).detach().clone() for _ in range(calls)]


def all_equal(expected, actual):
    """Whether two lists of tensors are equal, bit for bit."""
    return len(expected) == len(actual) and all(map(torch.equal, expected, actual))
