"""`thinned report`, in this process, on records that nobody trained."""

import json

import pytest
from typer.testing import CliRunner

from tests.lab.recorded import pairs
from thinned.cli.app import app
from thinned.errors import RecordError
from thinned.lab.records import Store

RUNS = pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74))


def run(*arguments):
    """Exit code and output."""
    done = CliRunner().invoke(app, ["report", *map(str, arguments)], catch_exceptions=False)
    return done.exit_code, done.stdout


@pytest.fixture
def folder(tmp_path):
    """Two studies' folders."""
    for name in ("one", "two"):
        Store(tmp_path / "runs" / name / "records.jsonl").append(*RUNS)
    return tmp_path / "runs"


class TestReport:
    """Pages again."""

    def test_one_folder(self, folder):
        """The same bytes each time."""
        code, said = run(folder / "one")
        before = (folder / "one" / "report.html").read_bytes()
        run(folder / "one")

        assert 0 == code
        assert said.startswith("Dropout helped here")
        assert before == (folder / "one" / "report.html").read_bytes()

    def test_many_folders_have_an_index(self, folder):
        """With a link to each page."""
        code, said = run(folder, "--json")
        document = json.loads(said)
        page = (folder / "index.html").read_text(encoding="utf-8")

        assert (0, str(folder / "index.html"), 2) == (code, document["index"], len(document["studies"]))
        assert all(f'href="{name}/report.html"' in page for name in ("one", "two"))

    def test_a_folder_that_has_no_page_hides_no_other(self, folder):
        """It is told, and the exit code is 1."""
        Store(folder / "three" / "records.jsonl").append()
        code, said = run(folder, "--json")

        assert 1 == code
        assert [str(folder / "three" / "records.jsonl")] == json.loads(said)["without_page"]
        assert (folder / "index.html").is_file()

    def test_findings(self, folder, tmp_path):
        """Added, and written."""
        code, said = run(
            "--findings", tmp_path / "findings", "--add", folder / "one", "--add", folder / "two"
        )

        assert 0 == code
        assert said.startswith("6 runs added\n")
        assert (tmp_path / "findings" / "dropout.md").is_file()

    @pytest.mark.parametrize("words", [(), ("runs", "--findings", "x"), ("runs", "--add", "x")], ids=str)
    def test_usage(self, words):
        """Exit code 2."""
        assert 2 == run(*words)[0]

    def test_a_folder_without_records_is_told(self, tmp_path):
        """With what writes them."""
        with pytest.raises(RecordError, match=r"expected a folder with records\.jsonl.*`thinned study`"):
            run(tmp_path)
