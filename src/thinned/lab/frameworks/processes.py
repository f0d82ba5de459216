"""One process a framework, at most two at once."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

from thinned.lab.frameworks.catalogue import Found, environment
from thinned.lab.frameworks.setting import Setting

AT_ONCE = 2

_COMMAND = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]) or sys.path; "
    "from thinned.lab.frameworks.worker import serve; serve()"
)


@dataclass(frozen=True, slots=True)
class Job:
    """What one process does.

    Args:
        found: the framework.
        settings: trainings, one after the other.
    """

    found: Found
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class News:
    """What a process tells.

    Args:
        job: whose.
        setting: of which training.
        kind: "epoch" (one more is done), "outcome" (it ended) or "failed" (it has no outcome).
        content: an outcome's message, or `{"error": text}`.
    """

    job: Job
    setting: Setting
    kind: str
    content: dict[str, Any]


def run_all(jobs: Sequence[Job], folder: Path) -> Generator[News, None, None]:
    """Train everything and yield news as they come; closing the generator ends the processes.

    Args:
        jobs: one for each framework.
        folder: as `material.lay_out` leaves it.
    """
    crew = _Crew(folder)
    waiting = sum(len(job.settings) for job in jobs)
    with ThreadPoolExecutor(AT_ONCE) as lanes:
        try:
            for job in jobs:
                lanes.submit(crew.work, job)
            while waiting:
                try:
                    news = crew.news.get(timeout=0.5)  # a bare get cannot be interrupted on Windows
                except Empty:
                    continue
                waiting -= news.kind != "epoch"
                yield news
        finally:
            crew.dismiss()


class _Crew:
    def __init__(self, folder: Path) -> None:
        self.news: SimpleQueue[News] = SimpleQueue()
        self._folder = folder
        self._lock = Lock()
        self._dismissed = False
        self._processes: set[subprocess.Popen[str]] = set()

    def work(self, job: Job) -> None:
        """Start the process and hand on what it says; what it leaves undone has failed."""
        left = list(job.settings)
        words = "it was not started"
        try:
            with tempfile.TemporaryFile() as complaints:
                process = self._start(job, complaints)
                if process is not None:
                    self._listen(process, job, left)
                    complaints.seek(0)
                    tail = complaints.read().decode(errors="replace").strip().splitlines()[-3:]
                    words = "\n".join([f"its process ended with exit code {process.returncode}", *tail])
        except OSError as error:
            words = str(error)
        for setting in left:
            self.news.put(News(job, setting, "failed", {"error": words}))

    def dismiss(self) -> None:
        """End every process, now, and start no other."""
        with self._lock:
            self._dismissed = True
            for process in self._processes:
                process.kill()

    def _start(self, job: Job, complaints: Any) -> "subprocess.Popen[str] | None":
        # An interpreter of another environment knows its own path; ours may have been told of more places.
        path = [] if job.found.framework.apart else sys.path
        with self._lock:
            if self._dismissed:
                return None
            process = subprocess.Popen(  # noqa: S603 - an interpreter of this machine, and fixed words
                [job.found.python, "-P", "-c", _COMMAND, json.dumps(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                encoding="utf-8",
                env=environment(job.found.framework),
            )
            self._processes.add(process)
            return process

    def _listen(self, process: "subprocess.Popen[str]", job: Job, left: list[Setting]) -> None:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - for the type checker
        messages = [{"module": job.found.framework.module, "folder": str(self._folder)}]
        messages += [setting.as_json() for setting in job.settings]
        with (
            process.stdout,
            suppress(BrokenPipeError, json.JSONDecodeError),
        ):  # its death; what is left says so
            with process.stdin as sink:
                sink.writelines(json.dumps(each) + "\n" for each in messages)
            for line in process.stdout:
                message = json.loads(line)
                if "epoch" in message:
                    self.news.put(News(job, left[0], "epoch", message))
                else:
                    self.news.put(
                        News(job, left.pop(0), "outcome" if "outcome" in message else "failed", message)
                    )
        process.wait()
        with self._lock:
            self._processes.discard(process)
