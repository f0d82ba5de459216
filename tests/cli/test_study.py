"""`thinned study`, `report` and `runs`, as processes."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.command import thinned
from thinned.lab.records import Store
from thinned.lab.studies import STUDIES

QUICK = ("--data", "digits", "--seeds", "2", "--epochs", "2", "--width", "16")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder with a finished study in `runs/dropout-digits`, and what it printed."""
    folder = tmp_path_factory.mktemp("study")
    return folder, thinned("study", "dropout", *QUICK[2:], cwd=folder)


class TestStudy:
    """From a command to a page."""

    def test_it_says_which_data_it_took(self, done):
        """On standard error, since nobody chose; nothing else is there."""
        _, found = done

        assert 0 == found.code, found.err
        assert [line for line in found.err.splitlines() if "Fashion-MNIST was not found" in line] == [
            found.err.strip()
        ]

    def test_it_prints_the_table_the_sentence_and_the_paths(self, done):
        """The report's path is the last word, and the file is there."""
        folder, found = done
        path = found.out.split()[-1]

        assert "over 2 paired seeds" in found.out
        assert "4 runs trained, 0 taken from the records" in found.out
        assert str(folder / "runs" / "dropout-digits" / "report.html") == path
        assert os.path.getsize(path) < 8_000_000

    def test_json_is_one_document_and_repeats_nothing(self, done):
        """Its figures can be computed again from the records."""
        folder, _ = done
        found = thinned("study", "dropout", *QUICK, "--json", cwd=folder)
        document = json.loads(found.out)
        runs = Store(folder / "runs" / "dropout-digits" / "records.jsonl").read().records
        accuracy = {(run.seed, run.arm): run.final["test_accuracy"] * 100 for run in runs}
        differences = [accuracy[seed, "dropout"] - accuracy[seed, "none"] for seed in (0, 1)]

        assert ({"trained": 0, "reused": 4, "failed": 0}, "") == (document["runs"], found.err)
        assert sum(differences) / 2 == pytest.approx(document["difference"]["test_accuracy"]["mean"])
        assert differences == pytest.approx(
            [pair["test_accuracy"]["difference"] for pair in document["pairs"]]
        )

    def test_the_page_is_the_same_again(self, done):
        """`thinned report` makes it from the records alone, byte for byte."""
        folder, found = done
        path = folder / "runs" / "dropout-digits" / "report.html"
        before = path.read_bytes()
        path.unlink()
        again = thinned("report", path.parent)

        assert 0 == again.code, again.err
        assert before == path.read_bytes()
        assert again.out.splitlines()[0] in found.out

    def test_runs_lists_every_record(self, done):
        """For people, and as one JSON document."""
        folder, _ = done

        assert "4 runs in 1 files below runs." == thinned("runs", cwd=folder).out.splitlines()[-1]
        assert 4 == len(json.loads(thinned("runs", folder, "--json").out))

    def test_a_torn_line_is_told_once_and_trained_again(self, done, tmp_path):
        """The others are kept; who reads the records later hears nothing of it."""
        folder, _ = done
        lines = (folder / "runs" / "dropout-digits" / "records.jsonl").read_bytes().splitlines(keepends=True)
        (tmp_path / "records.jsonl").write_bytes(b"".join(lines)[:-40])
        found = thinned("study", "dropout", *QUICK, "--out", tmp_path, "--json")

        assert {"trained": 1, "reused": 3, "failed": 0} == json.loads(found.out)["runs"]
        assert re.search(
            r"last line of .*records.jsonl was not finished .* in .*records.jsonl.torn", found.err
        )
        assert ["", "", ""] == [
            thinned(*again).err
            for again in (
                ("study", "dropout", *QUICK, "--out", tmp_path),
                ("report", tmp_path),
                ("runs", tmp_path),
            )
        ]

    def test_a_line_of_wrong_types_is_told_and_costs_only_itself(self, done, tmp_path):
        """By every verb that reads records; with what to do."""
        folder, _ = done
        lines = (folder / "runs" / "dropout-digits" / "records.jsonl").read_bytes().splitlines(keepends=True)
        wrong = lines[1].replace(b'"status":"finished"', b'"status":null')
        (tmp_path / "records.jsonl").write_bytes(lines[0] + wrong + b"".join(lines[2:]))
        for verb in ("runs", "report"):
            found = thinned(verb, tmp_path)

            assert 0 == found.code
            assert "line 2 is skipped: status: expected finished or diverged, got None." in found.err
            assert "delete the lines" in found.err
        assert {"trained": 1, "reused": 3, "failed": 0} == json.loads(
            thinned("study", "dropout", *QUICK, "--out", tmp_path, "--json").out
        )["runs"]

    def test_the_list_has_questions(self):
        """Each study asks one."""
        listed = json.loads(thinned("study", "--list", "--json").out)

        assert {"name": "dropout", "asks": "Does dropout help here?"} == listed[0]
        assert [*STUDIES, "frameworks"] == [each["name"] for each in listed]


class TestInterrupt:
    """Ctrl-C."""

    def test_it_says_what_is_saved_and_how_to_go_on(self, tmp_path):
        """Exit code 130, no traceback, and the finished runs are in the records."""
        records = Store(tmp_path / "records.jsonl")
        command = [
            sys.executable,
            "-m",
            "thinned",
            "study",
            "dropout",
            "--data",
            "digits",
            "--out",
            str(tmp_path),
        ]
        command += ["--seeds", "40", "--epochs", "10", "--jobs", "1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as study:
            until = time.monotonic() + 90
            while not records.read().records and time.monotonic() < until:
                time.sleep(0.02)
            study.send_signal(signal.SIGINT)
            out, err = study.communicate(timeout=60)
        saved = len(records.read().records)

        assert (130, "") == (study.returncode, out)
        assert f"interrupted. {saved} of 80 runs are saved in {records.path}" in err
        assert "Traceback" not in err
