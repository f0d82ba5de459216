"""The findings: pages that are made from records, and those that are committed."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.lab.recorded import pairs, record
from tests.report.answers import ANSWER
from tests.report.test_facts import contents
from thinned.errors import RecordError
from thinned.lab.configuration import Configuration
from thinned.lab.records import Store
from thinned.lab.studies import STUDIES
from thinned.report import gather
from thinned.report.findings import add, all_pages, write
from thinned.report.markdown import page
from thinned.report.still import told
from thinned.report.words import clauses

COMMITTED = Path(__file__).parents[2] / "docs" / "findings"
RUNS = pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74))


@pytest.fixture
def folder(tmp_path):
    """Findings with the records of one study."""
    packed(tmp_path / "records" / "dropout.jsonl.gz", RUNS)
    return tmp_path


def packed(path, runs):
    """A file of compressed records."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(run.as_line() for run in runs)))


class TestWrite:
    """From records to pages."""

    def test_it_writes_a_page_a_picture_and_the_index(self, folder):
        """And the same again."""
        paths = write(folder)

        assert ["README.md", "dropout.md", "dropout.png"] == [path.name for path in paths]
        assert {path: path.read_bytes() for path in paths} == all_pages(folder)

    def test_the_index_has_every_study(self, folder):
        """With its answer, or that there is none yet."""
        text = all_pages(folder)[folder / "README.md"].decode()
        answer = gather(contents(*RUNS)).answer

        assert f"**[Helped](dropout.md).** {answer.brief}" in text
        assert answer.sentence not in text
        assert len(STUDIES) - 1 == text.count("has not been run at length yet")

    def test_the_page_says_all_that_it_should(self, folder):
        """Seeds, power, versions, machine, time, and how to add runs."""
        text = all_pages(folder)[folder / "dropout.md"].decode()
        answer = gather(contents(*RUNS)).answer

        for part in (
            answer.brief, answer.power, "2 arms, 3 seeds, 6 runs", "torch 2.7.0", "Abacus", "9 s in all",
            "](images/dropout.png)", "--seeds 6 --out runs/dropout", "--add runs/dropout",
            *(f"- {each}" for each in clauses(answer.sentence)),
        ):  # fmt: skip
            assert part in text, part

    def test_a_file_of_no_study_is_told(self, folder):
        """Its name is that of none."""
        (folder / "records" / "dropout.jsonl.gz").rename(folder / "records" / "dorpout.jsonl.gz")

        with pytest.raises(RecordError, match=r"named after studies.*dorpout"):
            all_pages(folder)

    def test_runs_that_are_missing_are_told_beside_the_answer(self, folder):
        """The dropout study is planned with five seeds; the index says how many, the page of which arms too."""
        packed(folder / "records" / "dropout.jsonl.gz", RUNS[:-1])
        said = "Incomplete: 5 of 10 runs of arms are missing"

        for name, end in (("dropout.md", ", 2 of none and 3 of dropout."), ("README.md", ". |")):
            assert f"{said}{end}" in all_pages(folder)[folder / name].decode(), name

    def test_a_damaged_file_is_told(self, folder):
        """Half of it."""
        path = folder / "records" / "dropout.jsonl.gz"
        path.write_bytes(path.read_bytes()[:-30])

        with pytest.raises(RecordError, match=r"compressed records in .*dropout"):
            all_pages(folder)

    def test_no_folder_is_told(self, tmp_path):
        """Rather than made."""
        with pytest.raises(RecordError, match=r"expected a folder of findings"):
            write(tmp_path / "no")


class TestAdd:
    """More runs."""

    def test_what_is_there_is_not_added_again(self, folder, tmp_path):
        """And another design of the same file is not taken along."""
        more = tmp_path / "more" / "records.jsonl"
        Store(more).append(record("none", 0, base=Configuration(epochs=3)), *RUNS, record("none", 3))

        assert (1, 0) == (add(folder, [more]), add(folder, [more]))
        assert 7 == gzip.decompress((folder / "records" / "dropout.jsonl.gz").read_bytes()).count(b"\n")


class TestMarkdown:
    """Any answer."""

    def test_names_are_no_markup(self):
        """Not of Markdown, and not of HTML."""
        facts = replace(gather(contents(*RUNS)), answer=ANSWER)
        text = page(facts, image="i.png", records="r.jsonl", again="a", more=["m"])

        assert not re.search(r"<(?!/?details>|/?summary>)", text)
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            assert 1 == len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}), table


@pytest.fixture(scope="module")
def committed():
    """The pages of docs/findings, made once: it takes seconds."""
    return all_pages(COMMITTED, draw=lambda picture: json.dumps(told(picture)).encode())


class TestCommitted:
    """What is in docs/findings."""

    def test_an_answer_in_the_table_is_short(self, committed):
        """One or two sentences, which a reader of many can read; the rest is on the page."""
        rows = [row for row in committed[COMMITTED / "README.md"].decode().splitlines() if ".md).**" in row]

        assert rows
        for row in rows:
            answer = row.split("|")[-2]
            assert len(answer) < 420, answer
            assert re.search(
                r"\d.*interval|\d.*no answer yet|no answer yet.*\d|four times in five", answer
            ), answer

    def test_pages_are_those_of_their_records(self, committed):
        """`thinned report --findings docs/findings` was run after the last change."""
        for path, content in committed.items():
            if path.suffix == ".png":  # its bytes depend on Matplotlib's version, what it shows does not
                assert json.loads(content) == Image.open(path).text, path.name
            else:
                assert content.decode() == path.read_text(encoding="utf-8"), path.name

    def test_nothing_else_is_there(self, committed):
        """No page of a study whose records were removed."""
        expected = {*committed, *(COMMITTED / "records").glob("*.jsonl.gz")}

        assert {path for path in COMMITTED.rglob("*") if path.is_file()} == expected
