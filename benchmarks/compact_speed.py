"""A training step on kept units alone, against no dropout, masks, and ordinary dropout; see PROTOCOL.md."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from measure import Call, Row, medians, run
from torch import Tensor, nn

import thinned.torch

BATCH, PIXELS, CLASSES, RATE = 256, 784, 10, 0.5
KINDS: Mapping[str, Callable[[], nn.Module]] = {
    "no dropout": nn.Identity,
    "compact": lambda: thinned.torch.BatchDropout(RATE),
    "compact, 4 groups": lambda: thinned.torch.BatchDropout(RATE, groups=4),
    "BatchDropout as masks": lambda: thinned.torch.BatchDropout(RATE),
    "thinned.torch.Dropout": lambda: thinned.torch.Dropout(RATE),
    "nn.Dropout": lambda: nn.Dropout(RATE),
}


def perceptron(width: int, drop: Callable[[], nn.Module]) -> nn.Sequential:
    """784 - width - width - 10."""
    return nn.Sequential(
        nn.Linear(PIXELS, width), nn.ReLU(), drop(), nn.Linear(width, width), nn.ReLU(), drop(),
        nn.Linear(width, CLASSES),
    )  # fmt: skip


def convolutional(channels: int, drop: Callable[[], nn.Module]) -> nn.Sequential:
    """Three convolutions of 28 x 28 pictures, then 14 x 14."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(), drop(), nn.MaxPool2d(2),
        nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), drop(),
        nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), drop(),
        nn.Flatten(), nn.Linear(channels * 49, CLASSES),
    )  # fmt: skip


def widths() -> Iterator[Row]:
    for width in (256, 512, 1024, 2048, 4096):
        yield from rows(f"784-{width}-{width}-10", steps(perceptron, width), 1.7 if width == 2048 else 0)


def convolutions() -> Iterator[Row]:
    for channels in (32, 64):
        yield from rows(f"3 convolutions, {channels} channels", steps(convolutional, channels, rows=64), 0)


def rates() -> Iterator[Row]:
    for rate in (0.1, 0.2, 0.8):
        kinds: dict[str, Callable[[], nn.Module]] = {
            "no dropout": nn.Identity,
            "compact": partial(thinned.torch.BatchDropout, rate),
        }
        yield from rows(f"784-2048-2048-10, rate {rate}", steps(perceptron, 2048, kinds), 0)


def rows(case: str, calls: Mapping[str, Call], goal: float) -> Iterator[Row]:
    """Each kind against no dropout."""
    found = medians(calls, rounds=15)
    none = found.pop("no dropout")
    for kind, seconds in found.items():
        yield Row(
            f"{case}: {kind}", "no dropout", none / seconds, goal if kind == "compact" else 0, seconds, none
        )


def steps(
    make: Callable[[int, Callable[[], nn.Module]], nn.Sequential],
    width: int,
    kinds: Mapping[str, Callable[[], nn.Module]] = KINDS,
    rows: int = BATCH,
) -> dict[str, Call]:
    """A step of each kind: forward, backward, and SGD over the full parameters."""
    x, y = torch.rand(rows, PIXELS), torch.randint(CLASSES, (rows,))
    return {kind: step(network(kind, make(width, drop)), x, y) for kind, drop in kinds.items()}


def network(kind: str, model: nn.Sequential, seed: int = 0) -> nn.Sequential:
    if kind.startswith("compact"):
        thinned.torch.compact(model)
    return model if kind == "nn.Dropout" else thinned.torch.bind(model, seed)


def step(model: nn.Module, x: Tensor, y: Tensor) -> Call:
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)

    def call() -> None:
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()

    return call


CASES: dict[str, Callable[[], Iterator[Row]]] = {
    function.__name__: function for function in (widths, convolutions, rates)
}

if __name__ == "__main__":
    run("compact", CASES, ["torch"])
