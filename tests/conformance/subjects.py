"""Strangers: right ones, and the mistakes of published code."""

import numpy as np
import torch


def five_lines(x, rate):
    """What a careful reader of the paper writes."""
    if rate == 1:
        return torch.zeros_like(x)
    mask = torch.rand(x.shape) > rate
    return mask.float() * x / (1.0 - rate)


def notebook(x, rate):
    """A published solution of the textbook's exercises: the mask comes from a normal."""
    mask = (torch.randn(x.shape) > rate).float()
    return mask * x / (1.0 - rate)


def of_numpy(x, rate, rng):
    """For arrays, with a generator."""
    return np.where(rng.random(x.shape) >= rate, x / (1 - rate), 0).astype(x.dtype)


def swapped(x, keep_prob):
    """Takes the rate for what it keeps."""
    return torch.where(torch.rand(x.shape) < 1 - keep_prob, x / keep_prob, 0.0)


def one_mask_a_batch(x, p):
    """Draws for one sample."""
    return torch.where(torch.rand(x.shape[1:]) >= p, x / (1 - p), 0.0)


class NeverOff(torch.nn.Module):
    """Functional dropout that forgot the mode."""

    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        """Drop, whatever the mode."""
        return torch.nn.functional.dropout(x, self.p)
