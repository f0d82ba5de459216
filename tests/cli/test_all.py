"""`thinned study all`: one line each, and nothing that goes wrong in one hides the others."""

import json
from dataclasses import replace

import pytest
import typer

from thinned.cli import all as everything
from thinned.errors import ConfigurationError
from thinned.lab import Study
from thinned.lab.question import Plan
from thinned.lab.studies import STUDIES

pytestmark = pytest.mark.long

QUICK = Plan("digits", 2, {"hidden": (8, 8), "epochs": 1})


@pytest.fixture
def asked(monkeypatch):
    """Two questions: one that can be asked, and one that cannot."""

    def refuse(base, scope):
        raise ConfigurationError("expected a question; got none.")

    good = replace(STUDIES["dropout"], quick=QUICK)
    questions = {"bad": replace(good, name="bad", arms=refuse), "dropout": good}
    monkeypatch.setattr(everything, "STUDIES", questions)
    return lambda name, folder: Study(questions[name], out=folder, scope="quick", jobs=1, stacked="never")


def test_the_others_are_asked_and_the_code_says_that_one_was_not(asked, tmp_path, capsys):
    """One JSON document; the page above them; what was wrong, by name, on standard error."""
    with pytest.raises(typer.Exit) as left:
        everything.ask_all(asked, tmp_path, as_json=True)
    told = capsys.readouterr()
    bad, good = json.loads(told.out)

    assert 1 == left.value.exit_code
    assert {"study": "bad", "error": "expected a question; got none."} == bad
    assert ("dropout", {"trained": 4, "reused": 0, "failed": 0}) == (good["study"], good["runs"])
    assert "thinned: bad: expected a question; got none." in told.err
    assert (tmp_path / "dropout" / "report.html").is_file()
    assert (tmp_path / "index.html").is_file()
