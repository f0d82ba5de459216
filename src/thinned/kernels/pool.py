"""A few threads that run one kernel call together; safe from any caller, and made again after a fork.

Numba's own `parallel=True` is not used: its default threading layer aborts the process when two Python
threads call at once, and its OpenMP layer dies in forked children. These kernels release the GIL, so plain
threads do.
"""

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue


class _Job:
    """One kernel call, which helpers may join until the caller has found nothing left to do."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.error: BaseException | None = None
        self._work = work
        self._inside = 0
        self._closed = False
        self._lock = threading.Lock()
        self._empty = threading.Lock()
        self._empty.acquire()

    def help(self) -> None:
        """Work too, unless it is too late for that."""
        if self._enter():
            try:
                self._work()
            except BaseException as error:
                self.error = error
            self._leave()

    def _enter(self) -> bool:
        with self._lock:
            self._inside += not self._closed
            return not self._closed

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1
            last = self._closed and not self._inside
        if last:
            self._empty.release()

    def close(self) -> None:
        """Let nobody in any more, and return when everybody is out."""
        try:
            with self._lock:
                self._closed = True
            while self._inside:
                self._empty.acquire()
        except BaseException:
            # Ctrl-C, while helpers still write to the caller's memory: it may not have it back before they end.
            self.close()
            raise


class _Crew:
    """The helper threads of this process."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._size = 0
        self._lock = threading.Lock()

    def call(self, work: Callable[[], object], helpers: int) -> None:
        if self._size < helpers:
            self._grow(helpers)
        job = _Job(work)
        try:
            for _ in range(min(helpers, self._size)):
                self._jobs.put(job)
            # The caller works too, and does all that no helper has begun: a busy crew delays nobody.
            work()
        finally:
            job.close()
        if job.error is not None:
            raise job.error

    def _grow(self, size: int) -> None:
        with self._lock:
            while self._size < size:
                try:
                    threading.Thread(target=self._serve, name="thinned", daemon=True).start()
                except RuntimeError:  # no thread to be had, or the interpreter ends: the caller works
                    return
                self._size += 1

    def _serve(self) -> None:
        jobs = self._jobs
        while True:
            jobs.get().help()


_crew = _Crew()


def _after_fork() -> None:
    global _crew  # noqa: PLW0603 - threads do not survive a fork, so neither may the object that counts them
    _crew = _Crew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def default_threads() -> int:
    """How many threads a call uses when its caller does not say: the processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(work: Callable[[], object], threads: int) -> None:
    """Call `work()` on the caller's own thread, and at once on as many others as are free and it may have.

    When it returns, or raises, no thread is in `work` and none will be. What any of them raised is raised.

    Args:
        work: releases the GIL, shares out what is to be done by a counter of its own, and returns when
            nothing is left.
        threads: the most that may be in `work`, the caller's own among them.
    """
    if threads <= 1:
        work()
    else:
        _crew.call(work, threads - 1)
