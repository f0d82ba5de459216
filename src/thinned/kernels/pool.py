"""A few threads that run pieces of one kernel call; safe from any caller, and made again after a fork.

Numba's own `parallel=True` is not used: its default threading layer aborts the process when two Python
threads call at once, and its OpenMP layer dies in forked children. These kernels release the GIL, so plain
threads do.
"""

import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

Piece = tuple[int, int]


class _Job:
    """One kernel call, cut into pieces that the caller and the helpers take from a shared pile."""

    def __init__(self, work: Callable[[int, int], object], pieces: Sequence[Piece]) -> None:
        self._work = work
        self._pile = list(pieces)
        self._left = len(self._pile)
        self._lock = threading.Lock()
        self._finished = threading.Lock()
        self._finished.acquire()
        self._error: BaseException | None = None

    def help(self) -> None:
        """Take pieces until none is left. A helper that comes late finds nothing and goes."""
        while True:
            try:
                low, high = self._pile.pop()
            except IndexError:
                return
            try:
                self._work(low, high)
            except BaseException as error:
                self._error = error
            with self._lock:
                self._left -= 1
                last = self._left == 0
            if last:
                self._finished.release()

    def wait(self) -> None:
        """Return when every piece is done; raise what any of them raised."""
        self._finished.acquire()
        if self._error is not None:
            raise self._error


class _Crew:
    """The helper threads of this process."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._size = 0
        self._lock = threading.Lock()

    def call(self, job: _Job, helpers: int) -> None:
        if self._size < helpers:
            self._grow(helpers)
        for _ in range(min(helpers, self._size)):
            self._jobs.put(job)
        # The caller works too, and takes every piece that no helper has begun: a busy crew delays nobody.
        job.help()
        job.wait()

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


def run(work: Callable[[int, int], object], size: int, *, threads: int, grain: int) -> None:
    """Call `work(low, high)` on pieces that cover [0, size), on at most `threads` threads.

    Args:
        work: releases the GIL, and touches only what its piece owns.
        size: how many positions there are.
        threads: the caller's own thread counts as one.
        grain: the fewest positions worth a piece of their own.
    """
    threads = min(threads, size // grain)
    if threads <= 1:
        if size:
            work(0, size)
        return
    # Four pieces a thread even out a processor that something else is using.
    piece = max(grain, -(-size // (4 * threads)))
    _crew.call(_Job(work, [(low, min(low + piece, size)) for low in range(0, size, piece)]), threads - 1)
