"""Tables, read back."""

from dataclasses import replace

import polars
import pytest

from tests.lab.recorded import BASE, pairs, record
from thinned.errors import ConfigurationError, RecordError
from thinned.report.export import epoch_rows, run_rows, write

RUNS = [
    *pairs((0.5, 0.6), (1, 0.7)),
    record("none", 2**64 - 1, status="diverged", git=None),
    replace(record("dropout", 3), arm='a "quoted", name\nof two lines'),
]
OWN = {"task": "own", "settings": {"rate": 0.5}, "epochs": 2, "batch": 8, "code": "0" * 16}
READ = {".parquet": polars.read_parquet, ".csv": lambda path: polars.read_csv(path, infer_schema_length=None)}


@pytest.fixture(params=READ, ids=str)
def table(request, tmp_path):
    """The runs, written and read back."""
    return READ[request.param](write(run_rows(RUNS), tmp_path / "new" / f"runs{request.param}"))


class TestRuns:
    """One row a run."""

    def test_every_value_comes_back(self, table):
        """To the last bit, the largest seed and a name with quotes included."""
        assert [run.key for run in RUNS] == table["key"].to_list()
        assert [run.seed for run in RUNS] == table["seed"].to_list()
        assert [run.arm for run in RUNS] == table["arm"].to_list()
        assert [run.final.get("test_loss") for run in RUNS] == table["final.test_loss"].to_list()

    def test_every_setting_has_a_column(self, table):
        """Even where the record leaves it at its default; several are one text."""
        assert {"0.2,0.5", "0,0"} == set(table["configuration.rates"])
        assert ["32,16"] * len(RUNS) == table["configuration.hidden"].to_list()
        assert [0.0] * len(RUNS) == table["configuration.weight_decay"].to_list()
        assert [BASE.lr] * len(RUNS) == table["configuration.lr"].to_list()

    def test_what_a_run_lacks_is_empty(self, table):
        """A run that diverged reached nothing, and one without sources has no commit."""
        row = table.row(4, named=True)

        assert ("diverged", None, None) == (row["status"], row["final.test_accuracy"], row["git.commit"])


class TestOwn:
    """A module of the user's own."""

    def test_its_settings_have_columns(self):
        """By the names that its factory has for them."""
        (row,) = run_rows([replace(RUNS[0], configuration=OWN, final={"test_spread": 2})])

        assert (0.5, 2, "own", 2.0) == (
            row["configuration.settings.rate"], row["configuration.epochs"], row["configuration.task"],
            row["final.test_spread"],
        )  # fmt: skip


class TestEpochs:
    """One row an epoch."""

    def test_it_has_every_epoch_of_every_run(self, tmp_path):
        """Two of each finished run, one of that which diverged."""
        found = polars.read_parquet(write(epoch_rows(RUNS), tmp_path / "curves.parquet"))

        assert [1, 2] * 4 + [1] + [1, 2] == found["epoch"].to_list()
        assert [epoch["train_loss"] for run in RUNS for epoch in run.epochs] == found["train_loss"].to_list()


class TestWrite:
    """Where it goes."""

    def test_no_rows_are_a_table(self, tmp_path):
        """Without columns."""
        assert (0, 0) == polars.read_parquet(write([], tmp_path / "none.parquet")).shape

    def test_another_ending_is_told(self, tmp_path):
        """With those there are."""
        with pytest.raises(ConfigurationError, match=r"ends in \.parquet or \.csv; got '.*runs\.xlsx'"):
            write([], tmp_path / "runs.xlsx")

    def test_a_place_that_cannot_be_written_to_is_told(self, tmp_path):
        """By name."""
        (tmp_path / "file").touch()

        with pytest.raises(RecordError, match=r"can be written to.*runs\.csv"):
            write(run_rows(RUNS), tmp_path / "file" / "runs.csv")
