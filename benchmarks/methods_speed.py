"""Methods of the catalogue against the obvious PyTorch expression of each, as ratios; see PROTOCOL.md."""

from collections.abc import Callable, Iterator

import apart
import torch
import torch.nn.functional as F
from measure import Row, compare, in_process, run
from torch import Tensor

import thinned.torch


def drop_block() -> Iterator[Row]:
    """Against what every implementation in PyTorch does: one mask of the batch, dilated by a pooling."""
    x = torch.randn(64, 64, 32, 32)

    def theirs(x: Tensor) -> Tensor:
        size = 7
        seeds = (torch.rand_like(x) < 0.1 / size**2).float()
        kept = 1 - F.max_pool2d(seeds, size, stride=1, padding=size // 2)
        return x * kept * (kept.numel() / kept.sum())

    def ours(x: Tensor) -> Tensor:
        return thinned.torch.drop_block(x, 0.1, 7, seed=0)

    def shared(x: Tensor) -> Tensor:
        return thinned.torch.drop_block(x, 0.1, 7, seed=0, share=1)

    peer = "rand < gamma, max_pool2d, normalise"
    yield compare("DropBlock, block 7, forward, 2^22", lambda: ours(x), peer, lambda: theirs(x), 10)
    yield compare("the same, channels shared", lambda: shared(x), peer, lambda: theirs(x), 10)
    half = x.bfloat16()
    yield compare("the same, bfloat16", lambda: ours(half), f"{peer}, float32", lambda: theirs(x), 10)
    leaf, gradient = x.clone().requires_grad_(), torch.ones_like(x)
    yield compare(
        "DropBlock, block 7, forward + backward, 2^22",
        step(ours, leaf, gradient),
        peer,
        step(theirs, leaf, gradient),
        10,
    )


def drop_connect() -> Iterator[Row]:
    """Against weights that are made for each example, by our own kernel and PyTorch's fastest sum over them."""
    gradient = torch.randn(256, 256)
    x, weight = torch.randn(256, 784, requires_grad=True), torch.randn(256, 784, requires_grad=True)

    def forward_backward(product: Callable[[Tensor, Tensor], Tensor]) -> None:
        x.grad = weight.grad = None
        product(x, weight).backward(gradient)

    peer = "dropout(weight.expand(...)), einsum"
    yield compare(
        "DropConnect per example, 256 x 784 -> 256, forward + backward",
        lambda: forward_backward(apart.drop_connect),
        peer,
        lambda: forward_backward(apart.drop_connect_made),
        5,
    )
    mine, theirs = in_process("drop_connect_peak"), in_process("drop_connect_made_peak")
    yield Row("the same, MiB at the peak", peer, theirs / mine, 100, mine, theirs)


CASES: dict[str, Callable[[], Iterator[Row]]] = {
    function.__name__: function for function in (drop_block, drop_connect)
}


def step(layer: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Callable[[], object]:
    """A forward and a backward pass."""

    def call() -> None:
        x.grad = None
        layer(x).backward(gradient)

    return call


if __name__ == "__main__":
    with torch.inference_mode(False):
        run("methods", CASES, ["torch"])
