"""A cohort in a worker: trained as one program, and where that fails, as two of half the size."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import torch

from thinned.lab.configuration import Configuration
from thinned.lab.data import Data
from thinned.lab.reason import reason
from thinned.lab.stacked.training import train_stacked

Tell = Callable[[dict[str, Any]], None]
"""Takes a message, plain values with the number of a trial as `trial`; see `thinned.lab.worker.work`."""


def train_cohort(tasks: Sequence[Mapping[str, Any]], device: str, data: Data, tell: Tell) -> None:
    """Train tasks of one shape, and tell each finished epoch and each outcome.

    What fails, for lack of memory or because of one trial, is tried again in halves, until a trial that fails by
    itself is told as that and all others have their outcome.

    Args:
        tasks: `configuration` and `seed` of each trial.
        device: "cpu" or "cuda".
        data: what to train on.
        tell: takes the news.
    """
    _some(tasks, range(len(tasks)), device, data, tell)


def _some(
    tasks: Sequence[Mapping[str, Any]], numbers: Sequence[int], device: str, data: Data, tell: Tell
) -> None:
    try:
        messages = _trained([tasks[number] for number in numbers], numbers, device, data, tell)
    except BrokenPipeError:
        raise
    except Exception as raised:
        error = reason(raised)
    else:
        for message in messages:
            tell(message)
        return
    # Outside of `except`, whose traceback would hold the tensors that there was no room for.
    if device != "cpu":
        torch.cuda.empty_cache()
    if len(numbers) == 1:
        tell({"trial": numbers[0], "error": error})
        return
    middle = len(numbers) // 2
    _some(tasks, numbers[:middle], device, data, tell)
    _some(tasks, numbers[middle:], device, data, tell)


def _trained(
    tasks: Sequence[Mapping[str, Any]], numbers: Sequence[int], device: str, data: Data, tell: Tell
) -> list[dict[str, Any]]:
    started, begin = datetime.now(UTC), time.perf_counter()
    trials = [(Configuration.from_json(task["configuration"]), task["seed"]) for task in tasks]
    outcomes = train_stacked(
        trials, data, device, lambda n, epoch: tell({"trial": numbers[n], "epoch": epoch})
    )
    took = time.perf_counter() - begin
    if device != "cpu":
        torch.cuda.empty_cache()  # before anyone is told: the next cohorts are sized by what is free
    name = "cpu" if device == "cpu" else torch.cuda.get_device_name(device)
    common = {
        "started": started.isoformat(timespec="seconds"),
        "duration_s": round(took / len(tasks), 3),
        "stacked": {"trials": len(tasks), "device": name, "duration_s": round(took, 3)},
    }
    return [
        {"trial": number, "outcome": outcome.as_json(), **common}
        for number, outcome in zip(numbers, outcomes, strict=True)
    ]
