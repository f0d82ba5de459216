"""Cases that need a process of their own: `python benchmarks/apart.py NAME` prints one number."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from measure import medians
from torch import Tensor

import thinned.torch

LARGE = 1 << 25


def ours(x: Tensor) -> Tensor:
    return thinned.torch.dropout(x, 0.5, seed=0)


def builtin(x: Tensor) -> Tensor:
    return F.dropout(x, 0.5)


def forward_backward_against_dropout() -> float:
    x, gradient = torch.ones(LARGE, requires_grad=True), torch.ones(LARGE)
    found = medians({"ours": _step(ours, x, gradient), "peer": _step(builtin, x, gradient)}, rounds=7)
    return found["peer"] / found["ours"]


def forward_backward_against_scaling() -> float:
    x, gradient = torch.ones(LARGE, requires_grad=True), torch.ones(LARGE)
    found = medians({"ours": _step(ours, x, gradient), "peer": _step(lambda x: x * 2, x, gradient)})
    return found["peer"] / found["ours"]


def peak_of_ours() -> float:
    return _peak(ours)


def peak_of_dropout() -> float:
    return _peak(builtin)


def drop_connect_peak() -> float:
    return _peak_of_product(drop_connect)


def drop_connect_made_peak() -> float:
    return _peak_of_product(drop_connect_made)


def drop_connect(x: Tensor, weight: Tensor) -> Tensor:
    return thinned.torch.drop_connect(x, weight, 0.5, seed=0)


def drop_connect_made(x: Tensor, weight: Tensor) -> Tensor:
    """By the thinned weights of all examples, in their fastest form."""
    weights = thinned.torch.dropout(weight.expand(len(x), *weight.shape), 0.5, seed=0)
    return torch.einsum("boi,bi->bo", weights, x)


def _peak_of_product(product: Callable[[Tensor, Tensor], Tensor]) -> float:
    """MiB that a forward and backward pass of 256 x 784 -> 256 adds to a process at its highest."""
    product(torch.ones(1, 784, requires_grad=True), torch.ones(8, 784, requires_grad=True)).sum().backward()
    x, weight = torch.ones(256, 784, requires_grad=True), torch.ones(256, 784, requires_grad=True)
    Path("/proc/self/clear_refs").write_text("5")
    before = _kilobytes("VmHWM")
    product(x, weight).sum().backward()
    return (_kilobytes("VmHWM") - before) / 1024


def _step(layer: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Callable[[], object]:
    def step() -> None:
        x.grad = None
        layer(x).backward(gradient)

    return step


def _peak(layer: Callable[[Tensor], Tensor]) -> float:
    """Tensors' worth of memory that a forward and backward pass adds to a process at its highest."""
    layer(torch.ones(8, requires_grad=True)).sum().backward()
    x, gradient = torch.ones(LARGE, requires_grad=True), torch.ones(LARGE)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _kilobytes("VmHWM")
    layer(x).backward(gradient)
    return (_kilobytes("VmHWM") - before) * 1024 / (LARGE * x.element_size())


def _kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))


if __name__ == "__main__":
    print(globals()[sys.argv[1]]())
