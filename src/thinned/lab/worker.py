"""A worker process: trials come as lines of JSON on its standard input, outcomes go out as lines of JSON.

It is started as an interpreter of its own, so it works from any script or prompt.
It ends when its input does, or at the end of an epoch whose news nobody takes: no worker outlives its study.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, TextIO

from thinned.lab.reason import reason
from thinned.lab.task import Networks, Task, opened


def serve() -> None:
    """Read where the data is, then train one trial for each further line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the study decides
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    try:
        where = json.loads(sys.stdin.readline())
        task = opened(where)
        for line in sys.stdin:
            work(json.loads(line), task, partial(_tell, answers))
    except BrokenPipeError:
        os._exit(0)  # the study is gone; a flush at exit would only complain


def work(trial: dict[str, Any], task: Task, tell: Callable[[dict[str, Any]], None]) -> None:
    """Train a trial, or some together, and tell each finished epoch and each outcome.

    Args:
        trial: `configuration` and `seed`; or `trials`, a list of these, and the `device` that they are trained on
            as one program.
        task: what trains them.
        tell: takes messages; those of a cohort have its number among the trials as `trial`.
    """
    if "trials" in trial:
        from thinned.lab.stacked.work import train_cohort

        assert isinstance(task, Networks)  # noqa: S101 - nothing else is ever stacked
        train_cohort(trial["trials"], trial["device"], task.data, tell)
    else:
        tell(_alone(trial, task, tell))


def _alone(trial: dict[str, Any], task: Task, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    started, begin = datetime.now(UTC), time.perf_counter()
    try:
        outcome = task.run(trial["configuration"], trial["seed"], lambda epoch: tell({"epoch": epoch}))
    except BrokenPipeError:
        raise
    except Exception as error:
        return {"error": reason(error)}
    return {
        "outcome": outcome.as_json(),
        "started": started.isoformat(timespec="seconds"),
        "duration_s": round(time.perf_counter() - begin, 3),
    }


def _tell(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()
