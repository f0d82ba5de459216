"""`thinned study frameworks`, as a process."""

import json

import pytest

from tests.cli.command import thinned

QUICK = ("--frameworks", "numpy,torch", "--data", "digits", "--epochs", "1", "--restarts", "2")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder with a finished study, and what it printed."""
    folder = tmp_path_factory.mktemp("frameworks")
    return folder, thinned("study", "frameworks", *QUICK, cwd=folder)


@pytest.mark.xdist_group("frameworks")  # what they look at is made once
class TestFrameworks:
    """From a command to a page."""

    def test_it_prints_a_sentence_and_a_table(self, done):
        """Two frameworks, no mismatch, and where the report lies."""
        folder, found = done
        rows = [line.split() for line in found.out.splitlines() if line.startswith(("NumPy", "PyTorch"))]

        assert "200 steps   5 steps" in found.out
        assert "over 5 in float32." in found.out
        assert "takes 10 restarts or more." in found.out
        assert "In 2 frameworks (NumPy, PyTorch), trained on digits" in found.out, found.err
        assert [("430", "0"), ("430", "0")] == [(row[2], row[3]) for row in rows]
        assert (folder / "runs" / "frameworks-digits" / "report.html").is_file()
        assert "10 trainings made, 0 taken from the records" in found.out

    def test_json_is_one_document_and_repeats_nothing(self, done):
        """The exit code says whether everything holds."""
        folder, first = done
        found = thinned("study", "frameworks", *QUICK, "--json", cwd=folder)
        document = json.loads(found.out)

        assert {"trained": 0, "reused": 10} == document["runs"]
        assert int(not document["holds"]) == found.code == first.code
        assert 1 == len({each["chain"] for each in document["frameworks"]})
        assert document["frameworks"][1]["float64"] <= document["bounds"]["float64"]["relative"]
        assert "" == found.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--frameworks", "caffe,torch"), "expected two or more of the frameworks numpy, torch"),
            (("--restarts", "1"), "expected at least 2 restarts"),
            (("--seed", str(2**64)), "expected a seed in"),
            (("--seeds", "3"), "No such option"),
        ],
        ids=["unknown", "one restart", "wide seed", "another study's option"],
    )
    def test_what_cannot_be_is_a_usage_error(self, tmp_path, arguments, message):
        """With nothing trained."""
        found = thinned("study", "frameworks", "--data", "digits", *arguments, cwd=tmp_path)

        assert 2 == found.code
        assert message in found.err
        assert [] == list(tmp_path.iterdir())

    def test_mxnet_that_is_not_there_is_left_out_and_said(self, tmp_path):
        """With what to do; one framework alone is none to compare."""
        found = thinned(
            "study", "frameworks", "--frameworks", "numpy,mxnet", "--data", "digits", "--mxnet-python", "nowhere",
            cwd=tmp_path,
        )  # fmt: skip

        assert 2 == found.code
        assert "MXNet Gluon takes no part: no interpreter at nowhere" in found.err
        assert "expected at least two frameworks that can run here; got 1" in found.err

    def test_help_has_its_own_options_and_the_other_study_keeps_its(self):
        """One verb, two sets of options."""
        ours, other = thinned("study", "frameworks", "--help"), thinned("study", "--help")

        assert "--mxnet-python" in ours.out
        assert "--rates" not in ours.out
        assert "--rates" in other.out
        assert "--mxnet-python" not in other.out

    def test_it_is_in_the_list_of_studies(self):
        """With what it asks."""
        listed = " ".join(thinned("study", "--list").out.split())
        assert "frameworks Do all frameworks train the same network" in listed

    def test_report_makes_the_same_page_from_the_records_alone(self, done):
        """And `runs`, which lists arms and seeds, passes over them without a complaint."""
        folder, found = done
        page = folder / "runs" / "frameworks-digits" / "report.html"
        before = page.read_bytes()
        page.unlink()
        again = thinned("report", page.parent)
        listed = thinned("runs", folder)

        assert before == page.read_bytes(), again.err
        assert again.out.splitlines()[0] in found.out
        assert (0, "") == (listed.code, listed.err)
