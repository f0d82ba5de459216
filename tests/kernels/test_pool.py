"""The thread pool: it works together, propagates errors, and survives threads, forks and spawns."""

import textwrap
import threading
import time
from unittest import mock

import pytest

from tests.subprocesses import python, script
from thinned.kernels.pool import default_threads, run

SETUP = """
    import multiprocessing, os, sys, threading
    import numpy as np
    from thinned.kernels import execute
    from thinned.mask import keep
    from thinned.methods.dropout import plan
    execute.GRAIN = 1 << 7

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

    def test_one_thread_is_the_callers_own(self):
        """`threads=1` makes no thread and one call."""
        calls = []
        run(lambda: calls.append(threading.get_ident()), 1)

        assert [threading.get_ident()] == calls

    @pytest.mark.parametrize("threads", [2, 3, 5])
    def test_helpers_help(self, threads):
        """Threads that wait for each other all end: they are in `work` at once."""
        run(threading.Barrier(threads, timeout=30).wait, threads)

    def test_no_more_threads_than_asked_for(self):
        """`threads` is a bound, also when an earlier call made more helpers."""
        run(threading.Barrier(8, timeout=30).wait, 8)
        calls = []
        run(lambda: calls.append(time.sleep(0.05)), 2)

        assert 1 <= len(calls) <= 2

    def test_it_returns_when_nobody_is_inside(self):
        """A helper that has begun is waited for; one that has not does not begin."""
        meeting, caller, calls = threading.Barrier(2, timeout=30), threading.get_ident(), []

        def work():
            meeting.wait()
            if threading.get_ident() != caller:
                time.sleep(0.2)
            calls.append(threading.get_ident())

        run(work, 2)
        assert [caller] == calls[:1]
        assert len(calls) == 2

    def test_a_late_helper_finds_the_door_closed(self):
        """A crew that is busy elsewhere does not delay a call, and does not come to it afterwards."""
        crew, hold, begun, calls = type(run.__globals__["_crew"])(), threading.Event(), threading.Event(), []

        def busy():
            begun.set()
            hold.wait(30)

        with mock.patch("thinned.kernels.pool._crew", crew):
            other = threading.Thread(target=run, args=(busy, 2))
            other.start()
            begun.wait(30)
            time.sleep(0.1)  # the only helper is inside now
            run(lambda: calls.append(threading.get_ident()), 2)
            hold.set()
            other.join(30)
            run(threading.Barrier(2, timeout=30).wait, 2)  # the helper has passed what was left for it

        assert [threading.get_ident()] == calls

    @pytest.mark.parametrize("where", ["caller", "helper"])
    def test_errors_reach_the_caller(self, where):
        """An exception in any thread is raised in the calling one, after the others are done."""
        caller, meeting, done = threading.get_ident(), threading.Barrier(2, timeout=30), []

        def work():
            meeting.wait()
            if (threading.get_ident() == caller) == (where == "caller"):
                raise LookupError("here")
            time.sleep(0.1)
            done.append(1)

        with pytest.raises(LookupError, match="here"):
            run(work, 2)
        assert [1] == done

    def test_a_crew_outlives_an_error(self):
        """The next call finds its helpers."""
        with pytest.raises(ZeroDivisionError):
            run(lambda: 1 / 0, 2)
        run(threading.Barrier(2, timeout=30).wait, 2)

    def test_nested_calls_end(self):
        """Work that itself calls `run` does not wait for a helper that is waiting for it."""
        inner = []
        run(lambda: run(lambda: inner.append(1), 4), 4)

        assert inner

    def test_many_callers_at_once(self):
        """Sixteen threads, each with a hundred calls on four threads, take each piece once."""

        def call():
            pieces = iter(
                range(100)
            )  # `next` on it is one atomic step under the GIL, as a kernel's counter is
            found = []
            run(lambda: found.extend(pieces), 4)
            return found

        found = [[] for _ in range(16)]

        def caller(mine):
            mine.extend(sorted(call()) == list(range(100)) for _ in range(100))

        threads = [threading.Thread(target=caller, args=(mine,)) for mine in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert [[True] * 100] * 16 == found

    def test_without_a_thread_to_be_had_the_caller_works_alone(self):
        """A process at its thread limit is slower, and no error."""
        calls = []
        with (
            mock.patch("thinned.kernels.pool._crew", type(run.__globals__["_crew"])()),
            mock.patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")),
        ):
            run(lambda: calls.append(1), 4)

        assert [1] == calls

    def test_default_is_what_this_process_may_use(self):
        """At least one processor."""
        assert default_threads() >= 1


class TestInterrupt:
    """Ctrl-C while a call is under way."""

    def test_it_is_raised_when_the_helpers_are_done(self):
        """Even several of them: nobody gets his memory back while a helper still writes to it."""
        code = """
            import signal, threading, time
            from thinned.kernels.pool import run
            signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it is ignored
            caller, meeting, done = threading.get_ident(), threading.Barrier(2, timeout=30), []

            def work():
                meeting.wait()
                if threading.get_ident() != caller:
                    for _ in range(5):
                        time.sleep(0.1)  # the caller is out of `work` by now, and waits
                        signal.pthread_kill(caller, signal.SIGINT)
                    time.sleep(0.1)
                    done.append(1)

            try:
                run(work, 2)
            except KeyboardInterrupt:
                print("interrupted", done)
            run(threading.Barrier(2, timeout=30).wait, 2)
        """

        assert python(code)[0] == "interrupted [1]\n"


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
        """Two threads that wait for each other both end, in the parent, its child and its grandchild."""
        code = """
    from thinned.kernels.pool import run

    def helped():
        meeting = threading.Barrier(2, timeout=30)
        run(meeting.wait, 2)
        return True

    print(helped(), exits_well(lambda: helped() and exits_well(helped)), helped())
"""
        assert self.shown(code) == ["True"] * 3

    def test_a_fork_from_a_helper_thread(self):
        """The child of a helper is a process like any other."""
        code = """
    from thinned.kernels.pool import run
    meeting, found = threading.Barrier(2), []

    def work():
        meeting.wait()
        if threading.current_thread().name == "thinned":
            found.append(exits_well(right))

    run(work, 2)
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
