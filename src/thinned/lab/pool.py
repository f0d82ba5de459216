"""Many trials at once, each lane with a worker process; a trial whose worker died runs once more."""

import json
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import IO, Any

_COMMAND = (
    "import json, sys; sys.path = json.loads(sys.argv[1]); from thinned.lab.worker import serve; serve()"
)

ATTEMPTS = 2
"""A worker that dies may have met bad luck (kill -9, no memory left); twice at one trial is no accident."""


@dataclass(frozen=True, slots=True)
class Event:
    """News of one trial.

    Args:
        index: of the trial.
        kind: "epoch" (one more is done), "outcome" (it ended), "retry" (its worker died, it begins again),
            or "failed" (it has no outcome).
        content: an outcome's message, or `{"error": text}`.
    """

    index: int
    kind: str
    content: Mapping[str, Any]


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_all(
    tasks: Sequence[Mapping[str, Any]], where: Mapping[str, Any], jobs: int
) -> Generator[Event, None, None]:
    """Train every task in worker processes, and yield news as they come.

    Closing the iterator, or an exception where it is consumed, ends the workers.

    Args:
        tasks: `configuration` and `seed` of each trial, plain values.
        where: `data` and `data_dir`, for `thinned.lab.data.load` in each worker.
        jobs: how many workers at most.
    """
    crew = _Crew(tasks, where)
    lanes = [Thread(target=crew.lane, daemon=True) for _ in range(min(jobs, len(tasks)))]
    for lane in lanes:
        lane.start()
    open_tasks = len(tasks)
    try:
        while open_tasks:
            try:
                event = crew.events.get(timeout=0.5)  # a bare get cannot be interrupted on Windows
            except Empty:
                continue
            open_tasks -= event.kind in {"outcome", "failed"}
            yield event
    finally:
        crew.dismiss()
        for lane in lanes:
            lane.join()


class _Worker:
    """One process and what it writes to standard error."""

    def __init__(self, where: Mapping[str, Any]) -> None:
        self.complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        # One thread a worker: their number is the parallelism, and pools of threads would fight over it.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        try:
            self.process = subprocess.Popen(  # noqa: S603 - fixed words, and this interpreter
                [sys.executable, "-P", "-c", _COMMAND, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.complaints,
                text=True,
                encoding="utf-8",
                env=environment,
            )
        except OSError:
            self.complaints.close()
            raise
        self.send(where)

    def send(self, message: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None  # noqa: S101 - for the type checker
        with suppress(BrokenPipeError):  # it died; its silence says so
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()

    def answers(self) -> Iterator[dict[str, Any]]:
        """Its messages; they end when it does."""
        assert self.process.stdout is not None  # noqa: S101 - for the type checker
        for line in self.process.stdout:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return  # torn by its death

    def last_words(self) -> str:
        """How it ended, and the end of what it complained of."""
        code = self.process.wait()
        self.complaints.seek(0)
        tail = self.complaints.read().decode(errors="replace").strip().splitlines()[-3:]
        return "\n".join([f"its worker ended with exit code {code}", *tail])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.complaints):
            with suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]


class _Crew:
    """The lanes' common pile of tasks, their news, and their workers."""

    def __init__(self, tasks: Sequence[Mapping[str, Any]], where: Mapping[str, Any]) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self._tasks = tasks
        self._where = where
        self._pile = deque(range(len(tasks)))
        self._lock = Lock()
        self._dismissed = False
        self._workers: set[_Worker] = set()

    def lane(self) -> None:
        """Take tasks until none is left, with one worker as long as it lives."""
        worker: _Worker | None = None
        while (index := self._next()) is not None:
            try:
                worker = self._settle(index, worker)
            except OSError as error:  # no process could be started
                worker = None
                self.events.put(Event(index, "failed", {"error": str(error)}))
        if worker is not None:
            self._release(worker)

    def dismiss(self) -> None:
        """End every worker, now."""
        with self._lock:
            self._dismissed = True
            for worker in self._workers:
                worker.process.kill()

    def _next(self) -> int | None:
        with self._lock:
            return self._pile.popleft() if self._pile and not self._dismissed else None

    def _settle(self, index: int, worker: _Worker | None) -> _Worker | None:
        """Bring one task to its end; the worker that is left, if any."""
        for kind in ["retry"] * (ATTEMPTS - 1) + ["failed"]:
            worker = worker or self._hire()
            if worker is None or self._ended(index, worker):
                return worker
            words = worker.last_words()
            self._release(worker)
            worker = None
            self.events.put(Event(index, kind, {"error": words}))
        return None

    def _hire(self) -> _Worker | None:
        with self._lock:
            if self._dismissed:
                return None
            worker = _Worker(self._where)
            self._workers.add(worker)
            return worker

    def _release(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
            worker.close()

    def _ended(self, index: int, worker: _Worker) -> bool:
        """Run one task; False where the worker died over it."""
        worker.send(self._tasks[index])
        for message in worker.answers():
            if "epoch" in message:
                self.events.put(Event(index, "epoch", message))
            else:
                self.events.put(Event(index, "outcome" if "outcome" in message else "failed", message))
                return True
        return False
