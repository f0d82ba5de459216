"""Many trials at once, each lane with a worker process; a trial whose worker died runs once more.

Trials come one by one, or as cohorts that a worker trains as one program (`thinned.lab.stacked`). A cohort whose
worker died comes back as two halves, without those that were finished, so that one trial too many for the memory
costs the others nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import IO, Any

from thinned.lab.reason import ADVICE

_COMMAND = (
    "import json, sys; sys.path = json.loads(sys.argv[1]); from thinned.lab.worker import serve; serve()"
)

ON_DEVICE = 2
"""Workers of a device: while one draws the weights and the orders of its next cohort, the other keeps it busy."""

ATTEMPTS = 2
"""A worker that dies may have met bad luck (kill -9, no memory left); twice at one trial is no accident."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Trials that one worker is given at once.

    Args:
        members: the numbers of the tasks.
        device: that they are stacked on, "cpu" or "cuda"; None for a single trial that is trained alone.
    """

    members: tuple[int, ...]
    device: str | None = None

    @property
    def lane(self) -> str:
        """Whose workers take it: those of the processors, or that of a device."""
        return self.device or "cpu"

    def halves(self) -> "list[Cohort]":
        """Two cohorts of half the size."""
        middle = len(self.members) // 2
        return [Cohort(each, self.device) for each in (self.members[:middle], self.members[middle:])]


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
    tasks: Sequence[Mapping[str, Any]],
    where: Mapping[str, Any],
    jobs: int,
    cohorts: Sequence[Cohort] | None = None,
    inherited: Sequence[int] = (),
) -> Generator[Event, None, None]:
    """Train every task in worker processes, and yield news as they come.

    Closing the iterator, or an exception where it is consumed, ends the workers.

    Args:
        tasks: `configuration` and `seed` of each trial, plain values.
        where: `data` and `data_dir`, for `thinned.lab.data.load` in each worker.
        jobs: how many workers at most, beside those of other devices.
        cohorts: which tasks are trained together; None trains each alone.
        inherited: open files that `where` speaks of, which workers must have; see `thinned.lab.data.shared`.
    """
    cohorts = [Cohort((index,)) for index in range(len(tasks))] if cohorts is None else cohorts
    crew = _Crew(tasks, where, cohorts, inherited)
    kinds = Counter(cohort.lane for cohort in cohorts)
    lanes = [
        Thread(target=crew.lane, args=(kind,), daemon=True)
        for kind, count in kinds.items()
        for _ in range(min(jobs if kind == "cpu" else ON_DEVICE, count))
    ]
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
        for lane in lanes:
            lane.join()  # they have nothing left, and may keep a worker for the next study
    finally:
        crew.dismiss()
        for lane in lanes:
            lane.join()


class _Worker:
    """One process and what it writes to standard error."""

    def __init__(self, where: Mapping[str, Any], inherited: Sequence[int]) -> None:
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
                pass_fds=tuple(inherited),
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
        # Without a word from the process itself: the system's way when memory runs out, or somebody's kill -9.
        killed = f" (killed, by hand or by the system for lack of memory; {ADVICE})" * (code == -9)
        return "\n".join([f"Its worker ended with exit code {code}{killed}", *tail])

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.complaints):
            with suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]


_parked: dict[tuple[str, str], list[_Worker]] = {}
"""Workers of devices, which wait for the next study: to open a GPU takes seconds. They end with this process."""


class _Crew:
    """The lanes' common piles of cohorts, their news, and their workers."""

    def __init__(
        self,
        tasks: Sequence[Mapping[str, Any]],
        where: Mapping[str, Any],
        cohorts: Sequence[Cohort],
        inherited: Sequence[int],
    ) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self._tasks = tasks
        self._where = where
        self._inherited = inherited
        self._piles: dict[str, deque[Cohort]] = {}
        for cohort in cohorts:
            self._piles.setdefault(cohort.lane, deque()).append(cohort)
        self._lock = Lock()
        self._dismissed = False
        self._workers: set[_Worker] = set()

    def lane(self, kind: str) -> None:
        """Take cohorts until none is left, with one worker as long as it lives."""
        worker: _Worker | None = None
        while (cohort := self._next(kind)) is not None:
            try:
                worker = self._settle(cohort, worker)
            except OSError as error:  # no process could be started
                worker = None
                self._tell(cohort.members, "failed", str(error))
        if worker is not None and kind != "cpu" and not self._dismissed:
            with self._lock:
                self._workers.discard(worker)
                _parked.setdefault((kind, json.dumps(self._where)), []).append(worker)
        elif worker is not None:
            self._release(worker)

    def dismiss(self) -> None:
        """End every worker, now."""
        with self._lock:
            self._dismissed = True
            for worker in self._workers:
                worker.process.kill()

    def _next(self, kind: str) -> Cohort | None:
        with self._lock:
            pile = self._piles[kind]
            return pile.popleft() if pile and not self._dismissed else None

    def _tell(self, members: Sequence[int], kind: str, error: str) -> None:
        for index in members:
            self.events.put(Event(index, kind, {"error": error}))

    def _settle(self, cohort: Cohort, worker: _Worker | None) -> _Worker | None:
        """Bring one cohort to its end, or put its halves on the pile; the worker that is left, if any."""
        for kind in ["retry"] * (ATTEMPTS - 1) + ["failed"]:
            worker = worker or self._hire(cohort.lane)
            if worker is None:
                return None
            left = self._left(cohort, worker)
            if not left:
                return worker
            words = worker.last_words()
            self._release(worker)
            worker = None
            cohort = Cohort(left, cohort.device)
            if len(left) > 1:
                self._tell(left, "retry", words)
                with self._lock:
                    self._piles[cohort.lane].extendleft(reversed(cohort.halves()))
                return None
            self._tell(left, kind, words)
        return None

    def _hire(self, kind: str) -> _Worker | None:
        with self._lock:
            if self._dismissed:
                return None
            waiting = _parked.get((kind, json.dumps(self._where)), [])
            worker = waiting.pop() if waiting else _Worker(self._where, self._inherited)
            self._workers.add(worker)
            return worker

    def _release(self, worker: _Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
            worker.close()

    def _left(self, cohort: Cohort, worker: _Worker) -> tuple[int, ...]:
        """Have a cohort trained; those of it over which the worker died."""
        left = dict.fromkeys(cohort.members)
        worker.send(self._message(cohort))
        for message in worker.answers():
            index = cohort.members[message.get("trial", 0)]
            if "epoch" in message:
                self.events.put(Event(index, "epoch", message))
            else:
                self.events.put(Event(index, "outcome" if "outcome" in message else "failed", message))
                del left[index]
            if not left:
                break
        return tuple(left)

    def _message(self, cohort: Cohort) -> Mapping[str, Any]:
        tasks = [self._tasks[index] for index in cohort.members]
        return tasks[0] if cohort.device is None else {"trials": tasks, "device": cohort.device}
