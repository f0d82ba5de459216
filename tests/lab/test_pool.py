"""Workers die; trials do not."""

import os
import signal
import subprocess
import sys
import time

import pytest

from thinned.lab.configuration import Configuration
from thinned.lab.data import load
from thinned.lab.pool import run_all
from thinned.lab.training import train

QUICK = Configuration(hidden=(16,), rates=(0.5,), epochs=2)
LONG = Configuration(hidden=(16,), rates=(0.5,), epochs=100_000)
WHERE = {"data": "digits", "data_dir": None}


def tasks(*seeds, configuration=QUICK):
    """Trials of one configuration."""
    return [{"configuration": configuration.as_json(), "seed": seed} for seed in seeds]


def workers(parent):
    """The process numbers of a process's workers, from /proc."""
    children = f"/proc/{parent}/task/{parent}/children"
    found = []
    for thread in os.listdir(f"/proc/{parent}/task"):
        with open(children.replace(f"task/{parent}", f"task/{thread}")) as file:
            found += [int(word) for word in file.read().split()]
    return found


def gone(process, within_s=30):
    """Whether a process ends in time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            with open(f"/proc/{process}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


class TestRunAll:
    """Outcomes."""

    def test_a_worker_finds_what_this_process_finds(self):
        """Bit for bit, through JSON and another process."""
        outcomes = {
            event.index: event.content["outcome"]
            for event in run_all(tasks(0, 1, 2), WHERE, jobs=2)
            if event.kind == "outcome"
        }

        assert {k: train(QUICK, k, load("digits")).as_json() for k in range(3)} == outcomes

    def test_every_epoch_is_told(self):
        """Two epochs and an outcome for each trial."""
        kinds = sorted(event.kind for event in run_all(tasks(0, 1), WHERE, jobs=1))

        assert ["epoch"] * 4 + ["outcome"] * 2 == kinds

    def test_an_error_in_a_trial_fails_it_alone(self):
        """It would happen again, so it is not tried again; the next trial runs."""
        wrong = [{"configuration": QUICK.as_json(), "seed": "seven"}, *tasks(1)]
        events = [event for event in run_all(wrong, WHERE, jobs=1) if event.kind != "epoch"]

        assert [(0, "failed"), (1, "outcome")] == [(event.index, event.kind) for event in events]
        assert "AddressError" in events[0].content["error"]

    def test_no_process_at_all_is_a_failure_and_no_hang(self, monkeypatch):
        """A machine that can start none says so for each trial."""
        monkeypatch.setattr(sys, "executable", "/nowhere/python")

        assert ["failed"] * 3 == [event.kind for event in run_all(tasks(0, 1, 2), WHERE, jobs=2)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds workers in /proc")
class TestKill:
    """kill -9."""

    def test_a_killed_workers_trial_runs_again(self):
        """On a new worker, once; the outcome is the same as without the kill."""
        events, killed = [], False
        for event in run_all(tasks(7), WHERE, jobs=1):
            events.append(event)
            if not killed:
                killed = True
                (worker,) = workers(os.getpid())
                os.kill(worker, signal.SIGKILL)
        kinds = [event.kind for event in events]

        # The worker may have finished before the signal came; then there was nothing to run again.
        assert kinds.count("outcome") == 1
        assert train(QUICK, 7, load("digits")).as_json() == events[-1].content["outcome"]

    def test_a_trial_that_kills_its_worker_twice_is_given_up(self):
        """And says how the worker ended."""
        events = []
        for event in run_all(tasks(7, configuration=LONG), WHERE, jobs=1):
            events.append(event)
            if event.kind == "epoch":
                for worker in workers(os.getpid()):
                    os.kill(worker, signal.SIGKILL)
        kinds = [event.kind for event in events if event.kind != "epoch"]

        assert ["retry", "failed"] == kinds
        assert "exit code -9" in events[-1].content["error"]

    def test_closing_ends_the_workers(self):
        """An interrupted study leaves nothing running."""
        events = run_all(tasks(0, 1, configuration=LONG), WHERE, jobs=2)
        next(events)
        running = workers(os.getpid())
        events.close()

        assert running
        assert all(gone(worker) for worker in running)

    def test_no_worker_outlives_a_killed_study(self):
        """It ends at the next epoch that it cannot tell anyone."""
        code = (
            "import json, sys; from thinned.lab.pool import run_all\n"
            "for _ in run_all(json.loads(sys.argv[1]), {'data': 'digits', 'data_dir': None}, 2):\n"
            "    print('on', flush=True)"
        )
        import json

        arguments = [sys.executable, "-c", code, json.dumps(tasks(0, 1, configuration=LONG))]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as study:
            study.stdout.readline()
            running = workers(study.pid)
            study.kill()

        assert running
        assert all(gone(worker) for worker in running)
