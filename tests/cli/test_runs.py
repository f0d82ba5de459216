"""`thinned runs`, in this process, on records that nobody trained."""

import json
from dataclasses import replace
from types import SimpleNamespace

import polars
import pytest
from typer.testing import CliRunner

from tests.lab.recorded import BASE, DATA, pairs, record
from thinned.cli.app import app
from thinned.cli.runs import _metrics, _outcome
from thinned.lab.records import Store


def run(*arguments):
    """Exit code, output and errors."""
    done = CliRunner().invoke(app, ["runs", *map(str, arguments)], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def shown(tmp_path, *records):
    """The lines of the list."""
    Store(tmp_path / "records.jsonl").append(*records)
    code, out, err = run(tmp_path)

    assert (0, "") == (code, err)
    return [line.rstrip() for line in out.splitlines()]


@pytest.fixture
def two(tmp_path):
    """Two files, of which the second repeats a run of the first and has a damaged line."""
    runs = pairs((0.5, 0.6), (0.5, 0.7))
    Store(tmp_path / "a" / "records.jsonl").append(*runs)
    Store(tmp_path / "b" / "records.jsonl").append(runs[0], record("none", 9, status="diverged"))
    with (tmp_path / "b" / "records.jsonl").open("a") as file:
        file.write("no record\n")
    return tmp_path


class TestList:
    """For people."""

    def test_runs_stand_under_what_they_share(self, tmp_path):
        """The data and every setting; rates, arm and seed are theirs alone."""
        lines = shown(tmp_path, *pairs((0.5, 0.6), (0.5, 0.7)))

        assert (
            "dropout on toy, 80 examples (0123456789abcdef): width 32,16; lr 0.5; batch 256; epochs 2; "
            "thinned 0.1.0; torch 2.7.0; law 1; trial 1"
        ) == " ".join(lines[1:3])
        assert ["none     0,0         0             50.00        0.6      1.5"] == lines[4:5]
        assert ["dropout  0.2,0.5     1             70.00        0.4      1.5"] == lines[7:8]

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"lr": 0.125}, "lr 0.125;"),
            ({"hidden": (7, 7)}, "width 7,7;"),
            ({"batch": 77}, "batch 77;"),
            ({"epochs": 3}, "epochs 3;"),
            ({"weight_decay": 0.25}, "weight_decay 0.25;"),
        ],
        ids=str,
    )
    def test_a_setting_that_differs_parts_them(self, tmp_path, change, told):
        """And is told above each."""
        one, other = record("none", 0), record("none", 0, base=replace(BASE, **change))
        lines = shown(tmp_path, one, other)

        assert 2 == sum(line.startswith("dropout on toy") for line in lines)
        assert 1 == " ".join(lines).count(told)

    def test_it_fits_80_columns(self, tmp_path):
        """However many layers there are, and however long the names."""
        data = DATA | {"name": "a-name-of-some-length" * 5}
        base = replace(BASE, hidden=(1234,) * 20, rates=(0.123,) * 20)
        lines = shown(tmp_path, record("dropout", 2**63, base=base, data=data))

        assert 80 >= max(map(len, lines[1:-1]))  # the first and the last name the folder, whole
        assert any(
            line.endswith("9223372036854775808             80.00        0.3      1.5") for line in lines
        )

    def test_names_are_no_markup(self, tmp_path):
        """A name in square brackets is shown as it is."""
        assert any("[/bold]" in line for line in shown(tmp_path, record("none", 0, study="[/bold]")))

    def test_a_file_that_cannot_be_read_hides_no_other(self, tmp_path):
        """It is told, and the exit code is 1."""
        Store(tmp_path / "b.jsonl").append(record("none", 0))
        (tmp_path / "a.jsonl").symlink_to("/proc/self/mem")  # exists, opens, and refuses to be read
        code, out, err = run(tmp_path)

        assert 1 == code
        assert "can be read" in err
        assert "1 runs in 1 files" in out

    def test_a_damaged_line_is_told_and_costs_only_itself(self, two):
        """With its number and the reason."""
        code, out, err = run(two)

        assert 0 == code
        assert "line 3 is skipped: not a JSON document" in err
        assert "6 runs in 2 files" in out


class TestSelect:
    """By what runs are."""

    @pytest.mark.parametrize(
        ("words", "count"),
        [
            (("--arm", "none"), 4),
            (("--arm", "none", "--arm", "drop*"), 6),
            (("--seed", "1-9"), 3),
            (("--status", "diverged"), 1),
            (("--data", "toy", "--study", "dropout", "--arm", "dropout"), 2),
            (("--since", "2026-01-01T00:00:01"), 3),
            (("--since", "2300-01-01"), 0),
        ],
        ids=lambda words: " ".join(words) if isinstance(words, tuple) else str(words),
    )
    def test_all_words_must_hold(self, two, words, count):
        """As JSON, which is one document."""
        code, out, _ = run(two, *words, "--json")

        assert (0, count) == (code, len(json.loads(out)))


class TestMetricsOfOnesOwn:
    """Columns for what a task of the user's own measures."""

    def test_what_decides_comes_first_and_the_loss_last(self):
        """A run that diverged says so in the first; what nobody measured has no column."""
        task = {"configuration": {"task": "own"}, "design": {"decides": "test_worst"}}
        done = SimpleNamespace(
            **task, final={"train_loss": 1.0, "test_loss": 0.25, "test_mae": 3, "test_worst": 0.5}
        )
        lost = SimpleNamespace(**task, final={}, status="diverged")
        names = _metrics([lost, done])

        assert ["test_worst", "test_mae", "test_loss"] == names
        assert ["0.5", "3", "0.25"] == list(_outcome(done, names))
        assert ["diverged", "-", "-"] == list(_outcome(lost, names))
        assert ["test_worst"] == _metrics([lost])


class TestWrite:
    """What leaves."""

    def test_tables_and_events(self, two, tmp_path):
        """Each run once, though two files have one of them."""
        out = tmp_path / "out"
        code, said, _ = run(
            two, "--export", out / "runs.parquet", "--export", out / "runs.csv", "--curves", out / "curves.csv",
            "--tensorboard", out / "board",
        )  # fmt: skip

        assert 0 == code
        assert "5 runs written to" in said
        assert [5, 5] == [
            polars.read_parquet(out / "runs.parquet").height,
            polars.read_csv(out / "runs.csv").height,
        ]
        assert 9 == polars.read_csv(out / "curves.csv").height
        assert 5 == len(list((out / "board").rglob("events.out.tfevents.*")))

    def test_the_selection_holds_for_them_too(self, two, tmp_path):
        """And with --json, standard output is still one document."""
        path = tmp_path / "runs.csv"
        code, out, err = run(two, "--arm", "dropout", "--export", path, "--json")

        assert (0, 2, 2) == (code, len(json.loads(out)), polars.read_csv(path).height)
        assert "2 runs written to" in err
