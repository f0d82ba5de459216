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

ASKED = ("study", "dropout", "--data", "digits", "--seeds", "3", "--epochs", "60", "--width", "16", "--json")


def started(folder):
    """A study in a folder, as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "thinned", *ASKED, "--jobs", "1", "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


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
        both = [started(tmp_path), started(tmp_path)]
        ended = [(*each.communicate(timeout=150), each.returncode) for each in both]
        trained = [json.loads(out)["runs"]["trained"] for out, _, _ in ended]
        waited = [err for _, err, _ in ended if "is at work" in err]

        assert [0, 0] == [code for _, _, code in ended]
        assert [0, 6] == sorted(trained)
        assert 6 == len((tmp_path / "records.jsonl").read_bytes().splitlines())
        assert 1 == len(waited)
        assert any(
            f"Another study, process {each.pid}, is at work in {tmp_path}" in waited[0] for each in both
        )

    def test_the_lock_dies_with_its_holder(self, tmp_path):
        """After kill -9 the one that waits goes on at once, and trains only what is missing."""
        records = Store(tmp_path / "records.jsonl")
        first = started(tmp_path)
        until(lambda: records.read().records)
        second = started(tmp_path)
        assert "is at work" in second.stderr.readline()
        first.send_signal(signal.SIGKILL)
        first.communicate()
        saved = len(records.read().records)
        out, _ = second.communicate(timeout=150)
        found = json.loads(out)["runs"]

        assert {"trained": 6 - saved, "reused": saved, "failed": 0} == found
