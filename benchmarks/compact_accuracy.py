"""What training on kept units alone gives on Fashion-MNIST, at equal epochs and at equal time.

    THINNED_DATA=FOLDER python benchmarks/compact_accuracy.py [width [seeds [epochs]]]

Each arm trains with the same seeds: initial weights and the order of examples are the seed's, so that differences
from ordinary dropout are of pairs. An arm's time is its median step's, measured in turn with the others'.
BatchDropout as masks has compact's accuracies: it is the same network.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from compact_speed import BATCH, KINDS, network, perceptron
from measure import medians
from torch import Tensor, nn

from thinned.lab.data.load import load
from thinned.lab.statistics import Interval, mean_interval

ARMS = ("no dropout", "thinned.torch.Dropout", "compact", "compact, 4 groups")
AGAINST = "thinned.torch.Dropout"
LEARNING_RATE = 0.1

Part = tuple[Tensor, Tensor]


def main(width: int = 1024, seeds: int = 3, epochs: int = 4) -> None:
    """Train, and print a table."""
    data = load("fashion-mnist")
    train, test = (
        (torch.from_numpy(x).reshape(len(x), -1), torch.from_numpy(y))
        for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y))
    )
    seconds = step_times(width, train)
    slowest = seconds[AGAINST] * epochs
    reached = {}
    for arm in ARMS:
        longest = max(epochs, int(slowest / seconds[arm]))
        reached[arm] = [accuracies(arm, width, seed, longest, train, test) for seed in range(seeds)]
        print(arm, [[round(each, 2) for each in run] for run in reached[arm]], flush=True)
    print(
        f"\n784-{width}-{width}-10, rate 0.5, batch {BATCH}, {seeds} seeds, {torch.get_num_threads()} threads"
    )
    show(
        f"after {epochs} epochs each",
        {arm: [run[epochs - 1] for run in reached[arm]] for arm in ARMS},
        seconds,
    )
    # Ordinary dropout is given all of its epochs; the others what fits into its time.
    turns = {arm: max(1, int(slowest / seconds[arm])) for arm in ARMS}
    final = {arm: [run[turns[arm] - 1] for run in reached[arm]] for arm in ARMS}
    show(f"in the time of {epochs} epochs of {AGAINST}", final, seconds, turns)


def step_times(width: int, train: Part) -> dict[str, float]:
    """The median seconds of a step of each arm."""
    x, y = train[0][:BATCH], train[1][:BATCH]
    calls = {}
    for arm in ARMS:
        model, optimiser = made(arm, width, 0)
        calls[arm] = partial(step, model, optimiser, x, y)
    return medians(calls, rounds=15)


def accuracies(arm: str, width: int, seed: int, epochs: int, train: Part, test: Part) -> list[float]:
    """The percentage of test examples that are right after each epoch."""
    model, optimiser = made(arm, width, seed)
    order = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(epochs):
        model.train()
        for index in torch.randperm(len(train[1]), generator=order).split(BATCH):
            step(model, optimiser, train[0][index], train[1][index])
        model.eval()
        with torch.inference_mode():
            right = sum(
                int((model(x).argmax(1) == y).sum())
                for x, y in zip(test[0].split(1000), test[1].split(1000), strict=True)
            )
        found.append(100 * right / len(test[1]))
    return found


def made(arm: str, width: int, seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = network(arm, perceptron(width, KINDS[arm]), seed)
    return model, torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)


def step(model: nn.Module, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor) -> None:
    optimiser.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimiser.step()


def show(
    title: str,
    found: Mapping[str, Sequence[float]],
    seconds: Mapping[str, float],
    turns: Mapping[str, int] | None = None,
) -> None:
    """Accuracies, and paired differences from ordinary dropout, with 95 % intervals."""
    print(
        f"\n{title}\n{'arm':<24}{'epochs':>7}{'ms/step':>9}   {'test accuracy, %':<24}minus ordinary dropout"
    )
    for arm, values in found.items():
        differences = [one - other for one, other in zip(values, found[AGAINST], strict=True)]
        paired = "" if arm == AGAINST else words(mean_interval(differences), "+.2f")
        epochs = "" if turns is None else turns[arm]
        print(
            f"{arm:<24}{epochs:>7}{1e3 * seconds[arm]:>9.1f}   {words(mean_interval(values), '.2f'):<24}{paired}"
        )


def words(interval: Interval, form: str) -> str:
    return f"{interval.estimate:{form}} ({interval.low:{form}} to {interval.high:{form}})"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
