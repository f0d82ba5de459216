"""`thinned study --model`, `--seeds auto` and `thinned tune`, in this process; workers are others."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from thinned.cli.app import app
from thinned.cli.own import factory, rates_of_own, user_task
from thinned.errors import RateError

pytestmark = pytest.mark.long

MODEL = """
from torch import nn

def make():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 2))

thing = None
"""
DRAWS = np.random.default_rng(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One with a model, a model that cannot be imported, and data."""
    here = tmp_path_factory.mktemp("own")
    (here / "my_model.py").write_text(MODEL)
    (here / "torn_model.py").write_text("def make(:")
    x = DRAWS.normal(size=(60, 4)).astype(np.float32)
    np.savez(here / "mydata.npz", x=x, y=(x.sum(1) > 0).astype(int))
    return here


def called(*words):
    """What the program prints."""
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


class TestStudyOfAModel:
    """Rates as arms."""

    def test_it_answers_writes_a_page_and_resumes(self, folder):
        """The second time nothing is trained: another process finds the same keys."""
        words = (
            "study", "--model", folder / "my_model.py:make", "--data", folder / "mydata.npz", "--rates", "0.5",
            "--seeds", 2, "--epochs", 1, "--jobs", 1, "--out", folder / "out", "--difference", 1, "--json",
        )  # fmt: skip
        first, again = (json.loads(called(*words).stdout) for _ in range(2))

        assert ({"trained": 4, "reused": 0, "failed": 0}) == first["runs"]
        assert ({"trained": 0, "reused": 4, "failed": 0}) == again["runs"]
        assert ["rate 0", "rate 0.5"] == list(first["arms"])
        assert (folder / "out" / "report.html").stat().st_size < 8_000_000

    @pytest.mark.parametrize(
        ("named", "message"),
        [
            ("absent.py:make", "there is no file"),
            ("my_model.py:made", "it has no such name"),
            ("my_model.py", "expected package.module:Thing"),
            ("torn_model.py:make", "raised SyntaxError"),
        ],
    )
    def test_what_names_no_factory_is_a_usage_error(self, folder, monkeypatch, named, message):
        """With what was expected."""
        monkeypatch.chdir(folder)

        with pytest.raises(typer.BadParameter, match=message):
            factory(named)

    def test_without_data_there_is_nothing_to_train_on(self):
        """The default data would hardly fit a model of one's own."""
        with pytest.raises(typer.BadParameter, match="expected --data beside --model"):
            user_task("m.py:make", None, data_dir=None, training={})

    @pytest.mark.parametrize("rates", [(0.0,), (0.5, 0.5)])
    def test_rates_that_compare_nothing_are_refused(self, rates):
        """One above 0, each once."""
        with pytest.raises(typer.BadParameter, match="expected different rates"):
            rates_of_own(None, "m.py:make", rates, 2)

    def test_a_rate_is_a_probability(self):
        """As the law says."""
        with pytest.raises(RateError):
            rates_of_own(None, "m.py:make", (0, 1.5), 2)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("dropout", "--model", "m.py:make"), "without a study's name"),
            (("dropout", "--seeds", "auto"), "--difference beside --seeds auto"),
            (("dropout", "--seeds", "many"), "a number of seeds, or auto"),
            (("dropout", "--most-seeds", "9"), "beside --seeds auto"),
            (("all", "--difference", "9"), "beside one study"),
            (("dropout", "--difference", "-1"), "--difference above 0"),
        ],
    )
    def test_words_that_do_not_go_together(self, words, message):
        """Two is the code of wrong usage."""
        found = called("study", *words)

        assert 2 == found.exit_code
        assert message in " ".join(found.stderr.replace("│", " ").split())


class TestTune:
    """The search from the command line."""

    def test_it_prints_one_document(self, folder):
        """Of a search that was judged."""
        pytest.importorskip("optuna")
        found = called(
            "tune", "--model", folder / "my_model.py:make", "--data", folder / "mydata.npz", "--trials", 2,
            "--tuning-seeds", 1, "--seeds", 2, "--epochs", 1, "--jobs", 1, "--out", folder / "tuned", "--json",
        )  # fmt: skip
        document = json.loads(found.stdout)

        assert 0 == found.exit_code
        assert 2 == document["trials"]["finished"] + document["trials"]["pruned"]
        assert 2 == document["winners"][0]["objectives"]["accuracy"]["fresh"]["n"]
        assert 2 == len(document["reports"])
