"""The thread pool: it covers the work once, propagates errors, and survives threads, forks and spawns."""

import textwrap
import threading
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.subprocesses import python, script
from thinned.kernels.pool import default_threads, run

SETUP = """
    import multiprocessing, os, sys, threading
    import numpy as np
    from thinned.kernels import execute
    from thinned.mask import keep
    from thinned.methods.dropout import plan
    execute.GRAIN = 1 << 10

    X, PLAN = np.ones(1 << 14, np.float32), plan((1 << 14,), 0.5)
    MASK = keep((1 << 14,), 0.5, seed=3)

    def right(_=None):
        y = np.empty_like(X)
        execute.thin(execute.DROP, X, y, PLAN, (3, 0, 0, 0), threads=4)
        return bool(np.array_equal(MASK, y != 0))

    def exits_well(child):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if child() else 1)
        return os.waitpid(pid, 0)[1] == 0
"""


class TestRun:
    """`run` in one process."""

    @given(size=st.integers(0, 200), threads=st.integers(1, 9), grain=st.integers(1, 50))
    def test_covers_every_position_once(self, size, threads, grain):
        """Pieces neither overlap nor leave a gap, whatever the numbers."""
        found, lock = [], threading.Lock()

        def work(low, high):
            with lock:
                found.extend(range(low, high))

        run(work, size, threads=threads, grain=grain)

        assert list(range(size)) == sorted(found)

    def test_one_thread_is_the_callers_own(self):
        """`threads=1` makes no thread and one call."""
        calls = []
        run(lambda low, high: calls.append((threading.get_ident(), low, high)), 100, threads=1, grain=1)

        assert [(threading.get_ident(), 0, 100)] == calls

    def test_little_work_stays_with_the_caller(self):
        """Below two grains nobody is woken."""
        calls = []
        run(lambda low, high: calls.append(threading.get_ident()), 99, threads=8, grain=50)

        assert [threading.get_ident()] == calls

    def test_helpers_help(self):
        """Two pieces that wait for each other both end: they run on two threads."""
        meeting = threading.Barrier(2, timeout=30)
        run(lambda low, high: meeting.wait(), 2, threads=2, grain=1)

    def test_no_more_threads_than_asked_for(self):
        """`threads` is a bound, also when an earlier call made more helpers."""
        run(lambda low, high: None, 8, threads=8, grain=1)
        seen = set()
        run(lambda low, high: seen.add(threading.get_ident()), 64, threads=2, grain=1)

        assert len(seen) <= 2

    @pytest.mark.parametrize("where", ["caller", "helper"])
    def test_errors_reach_the_caller(self, where):
        """An exception in any piece is raised in the calling thread, after the other pieces are done."""
        caller, meeting, done = threading.get_ident(), threading.Barrier(2, timeout=30), []

        def work(low, high):
            meeting.wait()
            if (threading.get_ident() == caller) == (where == "caller"):
                raise LookupError("here")
            done.append(low)

        with pytest.raises(LookupError, match="here"):
            run(work, 2, threads=2, grain=1)
        assert len(done) == 1

    def test_a_crew_outlives_an_error(self):
        """The next call finds its helpers."""
        meeting = threading.Barrier(2, timeout=30)
        with pytest.raises(ZeroDivisionError):
            run(lambda low, high: 1 / 0, 64, threads=2, grain=1)
        run(lambda low, high: meeting.wait(), 2, threads=2, grain=1)

    def test_nested_calls_end(self):
        """Work that itself calls `run` does not wait for a helper that is waiting for it."""
        total = []
        run(
            lambda low, high: run(lambda a, b: total.append(b - a), 8, threads=4, grain=1),
            8,
            threads=4,
            grain=1,
        )

        assert sum(total) % 8 == 0
        assert sum(total) >= 8

    def test_many_callers_at_once(self):
        """Sixteen threads, each with a hundred calls on four threads."""
        sizes = [[] for _ in range(16)]

        def caller(found):
            for _ in range(100):
                run(lambda low, high: found.append(high - low), 100, threads=4, grain=1)

        threads = [threading.Thread(target=caller, args=(found,)) for found in sizes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert [sum(found) for found in sizes] == [10_000] * 16

    def test_without_a_thread_to_be_had_the_caller_works_alone(self):
        """A process at its thread limit is slower, and no error."""
        calls = []
        with (
            mock.patch("thinned.kernels.pool._crew", type(run.__globals__["_crew"])()),
            mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")),
        ):
            run(lambda low, high: calls.append(high - low), 64, threads=4, grain=1)

        assert sum(calls) == 64

    def test_default_is_what_this_process_may_use(self):
        """At least one processor."""
        assert default_threads() >= 1


class TestProcesses:
    """Kernels in fresh, forked and spawned processes, and in many threads at once."""

    def shown(self, code):
        """What `code` prints after the common set-up."""
        return python(SETUP + code)[0].split()

    def test_many_threads_at_once(self):
        """Eight Python threads whose very first calls come together are right, and make one kernel."""
        code = """
    from thinned.kernels.compiled import kernel
    found, kernels, meeting = [], [], threading.Barrier(8)

    def caller():
        meeting.wait()
        kernels.append(kernel("thin", "float32"))
        found.extend(right() for _ in range(50))

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(len(found), all(found), len(set(map(id, kernels))))
"""
        assert self.shown(code) == ["400", "True", "1"]

    def test_forks(self):
        """A child has no helper threads, and makes its own: before and after use, and nested."""
        code = """
    print(exits_well(right))
    print(right())
    print(exits_well(right))
    print(exits_well(lambda: right() and exits_well(right) and right()))
    print(right())
"""
        assert self.shown(code) == ["True"] * 5

    def test_a_forked_child_has_helpers(self):
        """Two pieces that wait for each other both end, in the parent, its child and its grandchild."""
        code = """
    from thinned.kernels.pool import run

    def helped():
        meeting = threading.Barrier(2, timeout=30)
        run(lambda low, high: meeting.wait(), 2, threads=2, grain=1)
        return True

    print(helped(), exits_well(lambda: helped() and exits_well(helped)), helped())
"""
        assert self.shown(code) == ["True"] * 3

    def test_a_fork_from_a_helper_thread(self):
        """The child of a helper is a process like any other."""
        code = """
    from thinned.kernels.pool import run
    meeting, found = threading.Barrier(2), []

    def work(low, high):
        meeting.wait()
        if threading.current_thread().name == "thinned":
            found.append(exits_well(right))

    run(work, 2, threads=2, grain=1)
    print(found)
"""
        assert self.shown(code) == ["[True]"]

    @pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
    def test_worker_pools(self, tmp_path, method):
        """Workers of `multiprocessing`, after the parent has used its own threads."""
        code = """
    if __name__ == "__main__":
        print(right())
        with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            print(*pool.map(right, range(4)))
"""
        path = tmp_path / "workers.py"
        path.write_text(textwrap.dedent(SETUP + code))

        assert script(path, method)[0].split() == ["True"] * 5
