"""Every speed that the documentation claims, as ratios; see PROTOCOL.md. `make bench` runs it."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from epoch import epochs
from measure import Row, compare, in_process, run
from torch import Tensor

import thinned.torch

LARGE = 1 << 25


def fresh_forward() -> Iterator[Row]:
    for power in (18, 20, 22):
        x = torch.ones(1 << power)
        yield compare(
            f"forward, float32, 2^{power}",
            partial(ours, x),
            "F.dropout",
            partial(F.dropout, x),
            40,
        )
    half = torch.ones(1 << 22, dtype=torch.bfloat16)
    yield compare("forward, bfloat16, 2^22", partial(ours, half), "F.dropout", partial(F.dropout, half), 40)


def bandwidth() -> Iterator[Row]:
    x, y = torch.ones(LARGE), torch.empty(LARGE)
    yield compare(
        "forward into an existing output, 2^25",
        lambda: thinned.torch.dropout(x, 0.5, seed=0, out=y),
        "torch.mul(x, 2, out=y)",
        lambda: torch.mul(x, 2, out=y),
        0.65,
    )
    layer = thinned.torch.Dropout(0.5, inplace=True)
    yield compare("forward in place, 2^25", partial(layer, y), "x.mul_(2)", partial(x.mul_, 2), 0.5)


def forward_backward() -> Iterator[Row]:
    for name, shape, goal in (
        ("2^18", (1 << 18,), 20),
        ("2^20", (1 << 20,), 20),
        ("2^22", (1 << 22,), 20),
        ("64 x 256", (64, 256), 2),
    ):
        x, gradient = torch.ones(shape, requires_grad=True), torch.ones(shape)
        yield compare(
            f"forward + backward, {name}",
            step(ours, x, gradient),
            "F.dropout",
            step(lambda x: F.dropout(x, 0.5), x, gradient),
            goal,
        )


def fused() -> Iterator[Row]:
    x = torch.randn(1 << 22)
    yield compare(
        "relu + dropout fused, 2^22",
        lambda: thinned.torch.relu_dropout(x, 0.5, seed=0),
        "our unfused pair",
        lambda: ours(torch.relu(x)),
        1.3,
    )


def large_forward_backward() -> Iterator[Row]:
    for pages, environment in (("", {}), (", huge pages", {"THP_MEM_ALLOC_ENABLE": "1"})):
        scaling = in_process("forward_backward_against_scaling", **environment)
        yield Row(f"forward + backward, 2^25{pages}", "the same with x * 2", scaling, 0.6, 0, 0)
        dropout = in_process("forward_backward_against_dropout", **environment)
        yield Row(f"forward + backward, 2^25{pages}", "F.dropout", dropout, 0, 0, 0)


def memory() -> Iterator[Row]:
    mine, theirs = in_process("peak_of_ours"), in_process("peak_of_dropout")
    # To a hundredth of a tensor: what the allocator rounds is no saving.
    saved = round(theirs - mine, 2)
    yield Row("tensors saved at the peak of forward + backward, 2^25", "F.dropout", saved, 1, mine, theirs)


def training() -> Iterator[Row]:
    found = epochs()
    mine, theirs, none = found["thinned"], found["nn.Dropout"], found["none"]
    yield Row("an epoch of the chapter's network", "nn.Dropout", theirs / mine, 1.3, mine, theirs)
    yield Row("an epoch's time", "the same without dropout", mine / none, 1.15, mine, none, at_most=True)


CASES: dict[str, Callable[[], Iterator[Row]]] = {
    function.__name__: function
    for function in (
        fresh_forward,
        bandwidth,
        forward_backward,
        fused,
        large_forward_backward,
        memory,
        training,
    )
}


def ours(x: Tensor) -> Tensor:
    return thinned.torch.dropout(x, 0.5, seed=0)


def step(layer: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> Callable[[], object]:
    def call() -> None:
        x.grad = None
        layer(x).backward(gradient)

    return call


if __name__ == "__main__":
    with torch.inference_mode(False):
        run("torch", CASES, ["torch"])
