"""What goes wrong in a study, as who called it sees it: on the terminal, in the exit code, on the page."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.lab.recorded import pairs
from tests.report.test_facts import contents
from thinned.cli import answer
from thinned.cli.answer import complete, failed, written
from thinned.cli.app import app
from thinned.errors import RecordError
from thinned.lab.engine import Failure, Trial
from thinned.lab.records import Store
from thinned.lab.study import Result
from thinned.report import gather, render
from thinned.report.facts import last_design

MODEL = """
import os, signal
import torch
from torch import nn

class Faulty(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(rate), nn.Linear(8, 2))

    def forward(self, x):
        if self.training and self.rate == 0.2:
            torch.empty(10**15)
        if self.training and self.rate == 0.4:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.layers(x) * (float("nan") if self.training and self.rate == 0.6 else 1)

def make(rate):
    return Faulty(rate)
"""


def result(*records, failures=()):
    """Of a study with these records."""
    found = contents(*records)
    design = last_design(found)
    made = gather(found)
    return Result(design, made.records, made.answer, len(records), 0, tuple(failures), (), store=None)


def lost(arm, seed, reason):
    """A run without an outcome."""
    return Failure(Trial(arm, seed, None, "key"), reason)


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="sends itself SIGKILL")
class TestTrials:
    """Arms that cannot be trained beside one that can."""

    def test_the_rest_goes_on_and_each_fault_is_told(self, tmp_path):
        """No memory, a killed worker and a NaN; the first two failed, the third is recorded as diverged."""
        (tmp_path / "faulty.py").write_text(MODEL)
        x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
        np.savez(tmp_path / "data.npz", x=x, y=(x.sum(1) > 0).astype(int))
        words = (
            "study", "--model", tmp_path / "faulty.py:make", "--data", tmp_path / "data.npz", "--rates",
            "0,0.2,0.4,0.6,0.8", "--seeds", 2, "--epochs", 1, "--jobs", 2, "--out", tmp_path / "out",
        )  # fmt: skip
        found = CliRunner().invoke(app, [str(word) for word in words])
        said = " ".join(found.stdout.split())
        records = Store(tmp_path / "out" / "records.jsonl").read().records
        page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")

        assert 1 == found.exit_code
        assert "4 runs failed" in said
        assert "rate 0.2, seeds 0, 1: There was no memory left for it" in said
        assert "Its worker ended with exit code -9" in said
        assert "2 of 6 runs diverged" in said
        assert "no run of rate 0.2, rate 0.4 and rate 0.6 has finished" in said
        assert {"rate 0", "rate 0.6", "rate 0.8"} == {record.arm for record in records}
        assert ["diverged"] * 2 == [record.status for record in records if record.arm == "rate 0.6"]
        assert "Incomplete: 4 of 10 runs are missing, rate 0.2 at seeds 0, 1; rate 0.4 at seeds 0, 1." in page


class TestFailures:
    """How runs without a record are told."""

    def test_they_stand_together_by_arm_and_reason(self):
        """The last line of a traceback, the first of anything else."""
        traceback = 'Traceback (most recent call last):\n  File "x"\nValueError: no,\nnever'
        runs = result(
            *pairs((0.5, 0.6), (0.5, 0.6)),
            failures=[
                lost("none", 3, traceback),
                lost("none", 2, traceback),
                lost("dropout", 1, "Killed.\nwarning"),
            ],
        )

        assert [
            "3 runs failed, and the same command tries them again:",
            "  none, seeds 2, 3: ValueError: no, never",
            "  dropout, seed 1: Killed.",
        ] == failed(runs).splitlines()

    def test_a_page_says_which_runs_are_missing(self):
        """Those that another arm has; a page of all of them says nothing."""
        runs = pairs((0.5, 0.6), (0.5, 0.6), (0.5, 0.6))

        assert "" == gather(contents(*runs)).gaps
        assert (
            "Incomplete: 1 of 6 runs is missing, dropout at seed 2."
            == gather(contents(*[each for each in runs if (each.arm, each.seed) != ("dropout", 2)])).gaps
        )
        assert "<p>Incomplete: 1 of 6 runs is missing" in render(gather(contents(*runs[:-1])))


class TestNoRoomForThePage:
    """A disk that is full when all runs are recorded."""

    def test_the_answer_is_not_lost_with_it(self, tmp_path, monkeypatch, capsys):
        """It is told, with the command that makes the page, and the exit code is not 0."""

        def full(_):
            raise RecordError("expected a folder that report.html can be written to; got No space left.")

        monkeypatch.setattr(answer, "write_report", full)
        runs = replace(result(*pairs((0.5, 0.6), (0.5, 0.6))), store=tmp_path / "records.jsonl")
        page = written(runs)

        assert page is None
        assert not complete(runs, page)
        assert complete(runs, tmp_path / "report.html")
        assert f"No space left. `thinned report {tmp_path}` makes the page" in capsys.readouterr().err
