"""One study at a time in a folder."""

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.command import ENVIRONMENT
from thinned.errors import RecordError
from thinned.lab.lock import alone
from thinned.lab.records import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no lock of this kind")

ASKED = [
    "study",
    "dropout",
    "--data",
    "digits",
    "--seeds",
    "3",
    "--epochs",
    "60",
    "--stacked",
    "never",
    "--json",
]


class Started:
    """A study in a folder, as a process that writes to files: a pipe that nobody reads would stop it."""

    def __init__(self, folder, name):
        self.out, self.err = folder.with_name(f"{name}.out"), folder.with_name(f"{name}.err")
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "thinned", *ASKED, "--jobs", "1", "--out", str(folder)],
                stdout=out,
                stderr=err,
                env=ENVIRONMENT,
            )

    def waits(self):
        """Whether it has said that another is at work."""
        return "is at work" in self.err.read_text()

    def runs(self):
        """What it says of the runs, once it has ended well."""
        assert 0 == self.process.wait(timeout=150), self.err.read_text()
        return json.loads(self.out.read_text())["runs"]


def until(happened):
    """Wait for something that another process does."""
    end = time.monotonic() + 90
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


class TestAlone:
    """The lock itself."""

    def test_it_is_free_again_afterwards(self, tmp_path):
        """Also after an error; nobody is told to wait."""
        told = []
        with pytest.raises(ZeroDivisionError), alone(tmp_path / "new", told.append):
            raise ZeroDivisionError
        with alone(tmp_path / "new", told.append):
            assert [] == told

    def test_a_folder_that_is_a_file_is_told(self, tmp_path):
        """The error names the place and the way out."""
        (tmp_path / "file").touch()

        with (
            pytest.raises(RecordError, match=r"folder that can be written to; got .* at .*file.*--out"),
            alone(tmp_path / "file", print),
        ):
            pass


@pytest.mark.slow
class TestTwoStudies:
    """The same command twice, on one folder."""

    def test_started_together_they_train_every_run_once(self, tmp_path):
        """One waits, says for whom, and takes over what the other has trained."""
        folder = tmp_path / "study"
        both = [Started(folder, "first"), Started(folder, "second")]

        assert [0, 6] == sorted(each.runs()["trained"] for each in both)
        assert 6 == len((folder / "records.jsonl").read_bytes().splitlines())
        (waited,) = [each for each in both if each.waits()]
        assert any(
            f"Another study, process {each.process.pid}, is at work in {folder}" in waited.err.read_text()
            for each in both
        )

    def test_the_lock_dies_with_its_holder(self, tmp_path):
        """After kill -9 the one that waits goes on at once, and trains only what is missing."""
        folder = tmp_path / "study"
        records = Store(folder / "records.jsonl")
        first = Started(folder, "first")
        until(lambda: records.read().records)
        first.process.send_signal(signal.SIGSTOP)  # it must not end before the other has begun to wait
        second = Started(folder, "second")
        until(second.waits)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        saved = len(records.read().records)

        assert {"trained": 6 - saved, "reused": saved, "failed": 0} == second.runs()
