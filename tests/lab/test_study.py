"""A study continues where it was, whatever ended it."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from thinned.errors import AddressError, ConfigurationError
from thinned.lab import Study
from thinned.lab.records import Record, Store

QUICK = {"hidden": (16, 16), "epochs": 2}


def study(out, seeds=2, **settings):
    """A study of a second or two."""
    return Study("dropout", data="digits", seeds=seeds, settings=QUICK | settings, out=out, jobs=2)


def metrics(records):
    """What runs found, without when and for how long."""
    return {record.key: (record.epochs, record.final) for record in records}


class TestRun:
    """From nothing to an answer."""

    def test_every_needed_run_is_recorded_once(self, tmp_path):
        """Both arms of every seed, with everything that a reader needs."""
        result = study(tmp_path).run()
        runs = [(record.seed, record.arm) for record in result.records]
        first = result.records[0]

        assert (4, 0, ()) == (result.new, result.reused, result.failures)
        assert [(0, "none"), (0, "dropout"), (1, "none"), (1, "dropout")] == runs
        assert {"thinned", "python", "torch", "numpy", "numba"} == set(first.versions)
        assert {
            "hidden": [16, 16],
            "rates": [0.0, 0.0],
            "lr": 0.5,
            "batch": 256,
            "epochs": 2,
        } == first.configuration
        assert first.machine["processor"]

    def test_running_it_again_trains_nothing(self, tmp_path):
        """And finds the same."""
        first, again = study(tmp_path).run(), study(tmp_path).run()

        assert (0, 4) == (again.new, again.reused)
        assert first.sentence == again.sentence

    def test_more_seeds_train_only_the_new_ones(self, tmp_path):
        """What is there counts."""
        study(tmp_path).run()
        result = study(tmp_path, seeds=3).run()

        assert (2, 4, 6) == (result.new, result.reused, len(result.records))

    def test_other_rates_reuse_the_networks_without_dropout(self, tmp_path):
        """And do not mix the two designs."""
        study(tmp_path).run()
        result = study(tmp_path, rates=(0.3,)).run()

        assert (2, 2) == (result.new, result.reused)
        assert [0.3, 0.3] == result.records[1].configuration["rates"]

    def test_diverged_runs_are_recorded(self, tmp_path):
        """They are results: nobody trains them again, and the sentence counts them."""
        x = (
            np.random.default_rng(0).normal(0, 1e30, (50, 4)).astype(np.float32)
        )  # far beyond what learning bears
        np.savez(
            tmp_path / "vast.npz", train_x=x, train_y=np.arange(50) % 2, test_x=x, test_y=np.arange(50) % 2
        )
        vast = Study("dropout", str(tmp_path / "vast.npz"), seeds=2, settings=QUICK, out=tmp_path, jobs=2)
        vast.run()
        result = vast.run()

        assert (0, 4) == (result.new, result.reused)
        assert {"diverged"} == {record.status for record in result.records}
        assert "2 of 2 runs of none and 2 of 2 runs of dropout diverged" in result.sentence


class TestDefaults:
    """What is taken where nothing is said."""

    def test_small_data_gets_ten_seeds_and_a_hundred_epochs(self):
        """Digits has 1,442 training examples, six steps an epoch."""
        small = Study("dropout", data="digits")

        assert (20, 100) == (len(small.trials()), small.design().base.epochs)

    def test_large_data_gets_five_seeds_and_ten_epochs(self, monkeypatch):
        """The chapter's ten, where there are examples enough."""
        monkeypatch.setattr("thinned.lab.study.FEW_EXAMPLES", 1000)
        large = Study("dropout", data="digits")

        assert (10, 10) == (len(large.trials()), large.design().base.epochs)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"question": "nothing"}, "name of a study: dropout.*; got 'nothing'"),
            ({"seeds": 1}, "at least 2 different seeds"),
            ({"seeds": [3, 3]}, "at least 2 different seeds"),
            ({"seeds": -3}, "at least 2 different seeds"),
            ({"jobs": 0}, "at least 1 job; got 0"),
            ({"settings": {"epochs": 0}}, "epochs of at least 1"),
        ],
    )
    def test_what_cannot_be_run_is_refused_at_once(self, arguments, message):
        """Before any data is loaded."""
        with pytest.raises(ConfigurationError, match=message):
            Study(**arguments)

    @pytest.mark.parametrize("seed", ["one", 1.5, 2**64, True])
    def test_a_seed_that_is_none_is_refused_at_once(self, seed):
        """It is the law's own error."""
        with pytest.raises(AddressError):
            Study(seeds=[0, seed])


class TestKill:
    """kill -9 of the whole study, at moments that a seeded generator picks."""

    @pytest.mark.slow
    @pytest.mark.long
    def test_no_finished_run_is_lost_and_none_is_trained_twice(self, tmp_path):
        """Killed again and again, a study of two stages ends with the records of one that nobody touched.

        The second stage is what the first one's records say, so they must say the same. It runs until it is
        complete: every attempt keeps what the ones before it saved.
        """
        moments = random.Random(2014)  # noqa: S311 - the moments of kills are no secret
        code = (
            "import sys; from pathlib import Path; from thinned.lab import Study\n"
            "from tests.lab.test_stages import TWO\n"
            "Study(TWO, data='digits', seeds=2, settings={'hidden': (16, 16), 'epochs': 30},"
            " out=Path(sys.argv[1]), jobs=2, stacked='never').run()"
        )
        store = Store(tmp_path / "killed" / "records.jsonl")
        kills, saved = 0, 0
        while kills < 3:
            with subprocess.Popen([sys.executable, "-c", code, str(store.path.parent)]) as attempt:
                until = time.monotonic() + 300  # start-up time differs by machine: count from a saved run
                while len(store.read().records) == saved and attempt.poll() is None:
                    assert time.monotonic() < until
                    time.sleep(0.01)
                time.sleep(moments.uniform(0, 0.3))
                attempt.send_signal(signal.SIGKILL)
            kills += 1
            found = len(store.read().records)
            assert found >= saved
            saved = found
        subprocess.run([sys.executable, "-c", code, str(store.path.parent)], check=True, timeout=300)
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "whole")], check=True, timeout=300)
        lines = [line for line in store.path.read_bytes().split(b"\n") if line]

        assert 8 == len(lines) - len(store.read().damaged)
        assert 8 == len({Record.from_line(line).key for line in lines})
        assert metrics(Store(tmp_path / "whole" / "records.jsonl").read().records) == metrics(
            store.read().records
        )
