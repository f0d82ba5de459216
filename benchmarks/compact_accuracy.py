"""What training on kept units alone gives on Fashion-MNIST, at equal epochs and at equal time.

    THINNED_DATA=FOLDER python benchmarks/compact_accuracy.py [width [seeds [epochs]]]

Each arm trains with the same seeds: initial weights and the order of examples are the seed's, so that differences
from ordinary dropout are of pairs. Runs are dealt out to a process a processor, of one thread each, and nothing is
timed here: an arm's time is that of its step in the results that `compact_speed.py` left, measured in the quiet.
BatchDropout as masks has compact's accuracies: it is the same network.
"""

import json
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache

import torch
from compact_speed import BATCH, KINDS, network, perceptron
from measure import results, threads
from torch import Tensor, nn

from thinned.lab.data.load import load
from thinned.lab.statistics import Interval, mean_interval

ARMS = ("no dropout", "thinned.torch.Dropout", "compact", "compact, 4 groups")
AGAINST = "thinned.torch.Dropout"
LEARNING_RATE = 0.1

Part = tuple[Tensor, Tensor]
Runs = dict[tuple[int, str], list[float]]


def main(width: int = 1024, seeds: int = 10, epochs: int = 4) -> None:
    """Train, and print a table."""
    seconds = step_times(width)
    # Ordinary dropout is given all of its epochs; the others what fits into its time.
    turns = {arm: max(1, int(seconds[AGAINST] * epochs / seconds[arm])) for arm in ARMS}
    found = trained(width, seeds, {arm: max(epochs, turns[arm]) for arm in ARMS})
    print(f"\n784-{width}-{width}-10, rate 0.5, batch {BATCH}, learning rate {LEARNING_RATE}, {seeds} seeds")
    for title, of_each in (
        (f"after {epochs} epochs each", dict.fromkeys(ARMS, epochs)),
        (f"in the time of {epochs} epochs of {AGAINST}", turns),
    ):
        reached = {arm: [found[seed, arm][of_each[arm] - 1] for seed in range(seeds)] for arm in ARMS}
        show(title, reached, seconds, of_each)


def step_times(width: int) -> dict[str, float]:
    """The seconds of a step of each arm, as the results have them."""
    path = results("compact")
    rows = {row["case"]: row for row in json.loads(path.read_text())["rows"]} if path.exists() else {}
    try:
        cases = {arm: rows[f"784-{width}-{width}-10: {arm}"] for arm in ARMS if arm != "no dropout"}
    except KeyError as case:
        sys.exit(f"expected a time of {case} in {path}; run benchmarks/compact_speed.py first, in the quiet")
    return {"no dropout": cases[AGAINST]["peer_s"], **{arm: row["ours_s"] for arm, row in cases.items()}}


def trained(width: int, seeds: int, epochs: Mapping[str, int]) -> Runs:
    """The accuracies of each seed and arm after each epoch; they are printed as they come."""
    workers = ProcessPoolExecutor(
        threads(), multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)
    )
    with workers:
        jobs = {
            workers.submit(accuracies, arm, width, seed, epochs[arm]): (seed, arm)
            for seed in range(seeds)
            for arm in ARMS
        }
        found = {}
        for job in as_completed(jobs):
            found[jobs[job]] = job.result()
            print(*jobs[job], [round(each, 2) for each in job.result()], flush=True)
    return found


@lru_cache(maxsize=1)
def parts() -> tuple[Part, Part]:
    """Fashion-MNIST for training and for testing, pictures as rows."""
    data = load("fashion-mnist")
    return tuple(  # type: ignore[return-value]
        (torch.from_numpy(x).reshape(len(x), -1), torch.from_numpy(y))
        for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y))
    )


def accuracies(arm: str, width: int, seed: int, epochs: int) -> list[float]:
    """The percentage of test examples that are right after each epoch."""
    train, test = parts()
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
    title: str, found: Mapping[str, Sequence[float]], seconds: Mapping[str, float], epochs: Mapping[str, int]
) -> None:
    """Accuracies, and paired differences from ordinary dropout, with 95 % intervals."""
    print(
        f"\n{title}\n{'arm':<24}{'epochs':>7}{'ms/step':>9}   {'test accuracy, %':<24}minus ordinary dropout"
    )
    for arm, values in found.items():
        differences = [one - other for one, other in zip(values, found[AGAINST], strict=True)]
        paired = "" if arm == AGAINST else words(mean_interval(differences), "+.2f")
        print(
            f"{arm:<24}{epochs[arm]:>7}{1e3 * seconds[arm]:>9.1f}   "
            f"{words(mean_interval(values), '.2f'):<24}{paired}"
        )


def words(interval: Interval, form: str) -> str:
    return f"{interval.estimate:{form}} ({interval.low:{form}} to {interval.high:{form}})"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
