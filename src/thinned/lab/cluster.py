"""Trials on a Ray cluster: the same records and the same progress; what a lost node was at runs once more.

Each trial, or cohort, is one task of Ray's, on one of its processors (cohorts of a GPU on one of its GPUs). The
data go to each node once and are shared there. A task streams its news, as a worker process does.
"""

import os
import socket
import warnings
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any

from thinned.errors import ConfigurationError
from thinned.extras import need
from thinned.lab.pool import ATTEMPTS, Cohort, Event
from thinned.lab.task import Task, opened

AHEAD = 2
"""Tasks given to Ray for each of its processors: the next are there when one ends, and thousands are not."""

TIMEOUT_S = 10


def run_all(
    tasks: Sequence[Mapping[str, Any]],
    where: Mapping[str, Any],
    address: str,
    cohorts: Sequence[Cohort] | None = None,
) -> Generator[Event, None, None]:
    """Train every task on a cluster, and yield news as they come; see `thinned.lab.pool.run_all`.

    Closing the iterator, or an exception where it is consumed, cancels what runs.

    Args:
        tasks: `configuration` and `seed` of each trial, plain values.
        where: what `thinned.lab.task.opened` makes the task from, here, so that other machines need no such file.
        address: of the cluster; "auto" for the one that this machine belongs to, or one of this machine alone.
        cohorts: which tasks are trained together; None trains each alone.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigurationError: no cluster answers at the address.
    """
    ray = need("ray", "ray")
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address)
    cohorts = [Cohort((index,)) for index in range(len(tasks))] if cohorts is None else cohorts
    cluster = _Cluster(ray, tasks, opened(where), cohorts)
    try:
        yield from cluster.events()
    finally:
        cluster.cancel()
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told that a study runs
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    _check_answer(address)
    try:
        ray.init(address=address, **quiet)
    except ConnectionError as error:
        if address != "auto":
            raise _nobody(address, error) from error
        ray.init(include_dashboard=False, **quiet)


def _check_answer(address: str) -> None:
    """Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), TIMEOUT_S).close()
        except OSError as error:
            raise _nobody(address, error) from error


def _nobody(address: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"expected a Ray cluster at {address}; got {error}. Start one there with `ray start --head`, or say auto "
        "for the one that this machine belongs to."
    )


class _Cluster:
    """What waits, and what runs."""

    def __init__(
        self, ray: Any, tasks: Sequence[Mapping[str, Any]], task: Task, cohorts: Sequence[Cohort]
    ) -> None:
        self._ray = ray
        self._tasks = tasks
        self._task = ray.put(task)
        self._waiting = deque(cohorts)
        self._lost: dict[int, int] = {}
        self._running: dict[Any, tuple[Cohort, dict[int, None]]] = {}
        # Ray's own retries would tell the same epochs twice and say nothing.
        self._stream = ray.remote(num_cpus=1, num_returns="streaming", max_retries=0)(_stream)

    def events(self) -> Generator[Event, None, None]:
        """News until every trial has ended."""
        while self._waiting or self._running:
            self._fill()
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=0.5)
            for stream in ready:
                yield from self._read(stream)

    def cancel(self) -> None:
        """End what runs."""
        for stream in self._running:
            with suppress(Exception):  # it is over, or its node is
                self._ray.cancel(stream, force=True)

    def _fill(self) -> None:
        most = AHEAD * max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        while self._waiting and len(self._running) < most:
            cohort = self._waiting.popleft()
            tasks = [self._tasks[index] for index in cohort.members]
            trial = tasks[0] if cohort.device is None else {"trials": tasks, "device": cohort.device}
            options = {"num_gpus": 1} if cohort.device == "cuda" else {}
            stream = self._stream.options(**options).remote(trial, self._task)
            self._running[stream] = cohort, dict.fromkeys(cohort.members)

    def _read(self, stream: Any) -> Generator[Event, None, None]:
        """One message of a stream, or its end."""
        cohort, left = self._running[stream]
        try:
            message = self._ray.get(next(stream))
        except StopIteration:
            del self._running[stream]
            yield from self._ended(cohort, left, "Its task ended without an outcome")
        except self._ray.exceptions.RayError as error:
            del self._running[stream]
            yield from self._ended(cohort, left, f"Its worker was lost: {str(error).splitlines()[0]}")
        else:
            index = cohort.members[message.get("trial", 0)]
            if "epoch" in message:
                yield Event(index, "epoch", message)
            else:
                left.pop(index, None)
                yield Event(index, "outcome" if "outcome" in message else "failed", message)

    def _ended(self, cohort: Cohort, left: dict[int, None], words: str) -> Generator[Event, None, None]:
        """What a lost task leaves waits again, several trials in halves; a trial that is lost twice is given up."""
        if len(left) > 1:
            self._waiting.extendleft(reversed(Cohort(tuple(left), cohort.device).halves()))
            yield from (Event(index, "retry", {"error": words}) for index in left)
            return
        for index in left:
            self._lost[index] = self._lost.get(index, 0) + 1
            kind = "retry" if self._lost[index] < ATTEMPTS else "failed"
            if kind == "retry":
                self._waiting.appendleft(Cohort((index,), cohort.device))
            yield Event(index, kind, {"error": words})


def _stream(trial: dict[str, Any], task: Task) -> Generator[dict[str, Any], None, None]:
    """The news of a trial or a cohort, in a process of Ray's."""
    from thinned.lab.worker import work

    # Ray's shared memory cannot be written to, and nobody does.
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    news: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def train() -> None:
        try:
            work(trial, task, news.put)
        finally:
            news.put(None)

    Thread(target=train, daemon=True).start()
    while (message := news.get()) is not None:
        yield message
