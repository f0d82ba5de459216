"""The process of one framework: trainings come as lines of JSON on its standard input, outcomes go out as such.

It needs NumPy and the framework, and nothing else that the laboratory has.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from thinned.lab.frameworks.batches import batches, per_epoch
from thinned.lab.frameworks.ledger import Array, Ledger
from thinned.lab.frameworks.setting import Setting
from thinned.lab.frameworks.trainer import Trainer, tested
from thinned.lab.frameworks.weights import load

DATA, MASKS = "data.safetensors", "masks.npy"


def weights_name(restart: int) -> str:
    """The file of the weights that a restart begins with."""
    return f"weights-{restart}.safetensors"


def serve() -> None:
    """Read which framework and folder, then train once for each further line; end when the input does."""
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the study decides
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    try:
        begin = json.loads(sys.stdin.readline())
        folder = Path(begin["folder"])
        trainer = importlib.import_module(f"thinned.lab.frameworks.{begin['module']}").Trainer
        for line in sys.stdin:
            _tell(answers, _answer(trainer, json.loads(line), folder, lambda epoch: _tell(answers, epoch)))
    except BrokenPipeError:
        os._exit(0)  # the study is gone; a flush at exit would only complain


def _answer(
    trainer: type[Trainer], asked: dict[str, Any], folder: Path, tell: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    started, begin = datetime.now(UTC), time.perf_counter()
    try:
        outcome = run(trainer, Setting.from_json(asked), folder, lambda epoch: tell({"epoch": epoch}))
    except BrokenPipeError:
        raise
    except Exception:
        return {"error": traceback.format_exc(limit=-3)}
    return {
        "outcome": outcome,
        "started": started.isoformat(timespec="seconds"),
        "duration_s": round(time.perf_counter() - begin, 3),
    }


def run(
    kind: type[Trainer], setting: Setting, folder: Path, epoch_done: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Train once, and check every mask on the way.

    Args:
        kind: of the framework.
        setting: what to train.
        folder: with the data, the weights and the law's masks, as `material.lay_out` leaves it.
        epoch_done: called with the number of each finished epoch.

    Returns:
        `losses` of each step; `test_loss` and `test_accuracy` after each epoch; for the law's masks, the ledger.
        Training ends where a loss is not finite; `losses` are then fewer than the steps.
    """
    data = load(folder / DATA)
    train_x, test_x = (data[name].astype(setting.dtype) for name in ("train_x", "test_x"))
    train_y, test_y = data["train_y"], data["test_y"]
    trainer = kind(setting, load(folder / weights_name(setting.restart)))
    law = setting.drops == "law"
    ledger = Ledger(np.load(folder / MASKS, mmap_mode="r"), setting.rates, setting.dtype) if law else None
    each = per_epoch(len(train_y), setting.batch)
    losses: list[float] = []
    tests: list[tuple[float, float]] = []
    for step, rows in enumerate(batches(len(train_y), setting.batch, setting.steps, setting.seed)):
        loss, taps = trainer.train(train_x[rows], train_y[rows])
        if not np.isfinite(loss):
            break
        losses.append(loss)
        if ledger is not None:
            ledger.check(step, taps)
        if (step + 1) % each == 0:
            tests.append(tested(_scores(trainer, test_x), test_y))
            epoch_done(len(tests))
    return {
        "losses": losses,
        "test_loss": [loss for loss, _ in tests],
        "test_accuracy": [accuracy for _, accuracy in tests],
        "ledger": None if ledger is None else ledger.as_json(),
    }


def _scores(trainer: Trainer, x: Array, at_once: int = 5000) -> Array:
    return np.concatenate([trainer.scores(x[start:][:at_once]) for start in range(0, len(x), at_once)])


def _tell(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()
