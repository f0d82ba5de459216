"""`thinned audit`: a file and a factory in, findings and an exit code out."""

import json

import numpy as np
import pytest

from tests.cli.command import thinned as process
from thinned.cli.app import run
from thinned.diagnosis.rule import all_rules

NOTEBOOK = """
import torch
from torch import nn


def dropout_layer(X, dropout):
    assert 0 <= dropout <= 1
    if dropout == 1:
        return torch.zeros_like(X)
    mask = (torch.randn(X.shape) > dropout).float()
    return mask * X / (1.0 - dropout)


class Net(nn.Module):
    def __init__(self, is_training=True):
        super().__init__()
        self.is_training = is_training
        self.lin1, self.lin2, self.lin3 = nn.Linear(784, 256), nn.Linear(256, 256), nn.Linear(256, 10)
        self.relu = nn.ReLU()

    def forward(self, X):
        H1 = self.relu(self.lin1(X.reshape((-1, 784))))
        if self.is_training:
            H1 = dropout_layer(H1, 0.2)
        H2 = self.relu(self.lin2(H1))
        if self.is_training:
            H2 = dropout_layer(H2, 0.5)
        return self.lin3(H2)
"""
"""The network of a published solution of the textbook's exercises: a mask from randn, and a mode of its own."""

CLEAN = """
from torch import nn

model = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with models and inputs, which is where the command runs."""
    (tmp_path / "notebook.py").write_text(NOTEBOOK)
    (tmp_path / "clean.py").write_text(CLEAN)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 1, 28, 28)).astype(np.float32)
    np.savez(tmp_path / "train.npz", pixels / 255)
    np.savez(tmp_path / "test.npz", pixels)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def audit(folder, monkeypatch, capsys):
    """Runs the command in this process: exit code and output."""

    def called(*arguments):
        monkeypatch.setattr("sys.argv", ["thinned", "audit", *map(str, arguments)])
        code = run()
        told = capsys.readouterr()
        return code, told.out, told.err

    return called


class TestNotebook:
    """The published notebook's mistakes are told to its author by one command."""

    def test_all_three(self, folder):
        """The mask drawn from a normal, at both places; still on in evaluation; pixels 0..255 after 0..1."""
        ended = process(
            "audit", "notebook.py:Net", "--train-input", "train.npz", "--eval-input", "test.npz", cwd=folder
        )

        assert 1 == ended.code
        assert "P(N(0,1) > 0.5) = 0.309: the mask is drawn from a normal, by randn" in _line(ended.out)
        assert "notebook.py:11, called from line 27" in _line(ended.out)
        assert "P(N(0,1) > 0.2) = 0.421" in _line(ended.out)
        assert "Dropout goes on in evaluation" in ended.out
        assert "Divide the pixels by 255 in evaluation too." in ended.out
        assert "notebook.py:11, called from line 24" in ended.out
        assert "" == ended.err


def _line(text):
    return " ".join(text.split())


class TestCommand:
    """Inputs, outputs and exit codes."""

    def test_a_clean_model_is_0(self, audit):
        """A model itself may stand for a function that makes one."""
        code, out, _ = audit("clean.py:model", "--input", "32,1,28,28")

        assert 0 == code
        assert "Sequential: nothing found; 1 sites" in out

    def test_json_is_one_document(self, audit):
        """With places, figures, activations and what was measured."""
        code, out, _ = audit("notebook.py:Net", "--input", "64,1,28,28", "--json")
        document = json.loads(out)

        assert 1 == code
        assert {"active-in-eval", "wrong-strength"} == {each["rule"] for each in document["findings"]}
        assert {"lin1", "relu", "relu#1", "lin2", "lin3"} == {each["name"] for each in document["layers"]}
        assert 2 == len(document["facts"]["measured"])

    def test_sarif_has_what_the_standard_requires(self, audit, folder):
        """Version, tool, rules, and results with a rule of the list, a level, a message and a line."""
        assert 1 == audit("notebook.py:Net", "--input", "64,1,28,28", "--sarif", "out.sarif")[0]
        document = json.loads((folder / "out.sarif").read_text())
        (ran,) = document["runs"]
        driver = ran["tool"]["driver"]

        assert "2.1.0" == document["version"]
        assert document["$schema"].endswith("sarif-schema-2.1.0.json")
        assert list(all_rules()) == [each["id"] for each in driver["rules"]]
        assert all({"shortDescription", "fullDescription", "help"} <= set(each) for each in driver["rules"])
        assert ran["results"]
        for result in ran["results"]:
            assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
            assert result["level"] in {"error", "warning", "note"}
            assert result["message"]["text"]
            place = result["locations"][0]["physicalLocation"]
            assert {"uri": "notebook.py", "uriBaseId": "%SRCROOT%"} == place["artifactLocation"]
            assert 11 == place["region"]["startLine"]

    def test_sarif_of_a_file_with_a_space_and_a_silence_elsewhere(self, audit, folder):
        """A path is a URI, and a table of the project is no comment in the source."""
        (folder / "my model.py").write_text(CLEAN.replace("0.5", "0.9"))
        (folder / "pyproject.toml").write_text('[tool.thinned.audit.ignore]\nhigh-rate = "a stress test"\n')

        assert 0 == audit("my model.py:model", "--input", "32,1,28,28", "--sarif", "out.sarif")[0]
        (result,) = json.loads((folder / "out.sarif").read_text())["runs"][0]["results"]
        assert [{"kind": "external", "justification": "a stress test"}] == result["suppressions"]
        place = result["locations"][0]["physicalLocation"]
        assert "my%20model.py" == place["artifactLocation"]["uri"]
        assert 1 == place["region"]["startLine"]

    def test_json_has_no_infinities(self, audit, folder):
        """A factor of 1 / 0 is told in words, and leaves a document that every program can read."""
        by_zero = NOTEBOOK.replace("randn", "rand").replace(
            "return mask * X / (1.0 - dropout)", "return X * (mask / 0.0)"
        )
        (folder / "notebook.py").write_text(by_zero)
        code, out, _ = audit("notebook.py:Net", "--input", "64,1,28,28", "--json")
        document = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))

        assert 1 == code
        assert {"Return zeros at rate 1, where 1 / (1 - rate) divides by 0."} == {
            each["mend"] for each in document["findings"] if each["rule"] == "wrong-strength"
        }

    def test_a_comment_on_the_line_silences(self, audit, folder):
        """One rule, with its reason, which the report and SARIF tell."""
        changed = NOTEBOOK.replace(
            "return mask * X / (1.0 - dropout)",
            "return mask * X / (1.0 - dropout)  # thinned: ignore[wrong-strength, active-in-eval] exercise",
        )
        (folder / "notebook.py").write_text(changed)
        code, out, _ = audit("notebook.py:Net", "--input", "64,1,28,28", "--sarif", "out.sarif")
        results = json.loads((folder / "out.sarif").read_text())["runs"][0]["results"]

        assert 0 == code
        assert "exercise" in out
        assert {("inSource", "exercise")} == {
            (each["suppressions"][0]["kind"], each["suppressions"][0]["justification"]) for each in results
        }

    def test_the_project_silences_with_a_reason(self, audit, folder):
        """By rule, and by rule and module; without a reason it is an error."""
        project = folder / "pyproject.toml"
        project.write_text(
            "[tool.thinned.audit.ignore]\n"
            'wrong-strength = "old"\nactive-in-eval = { module = "*", reason = "new" }\n'
        )
        assert 0 == audit("notebook.py:Net", "--input", "64,1,28,28")[0]
        for wrong in ('wrong-strength = ""', "wrong-strength = { module = 'a' }", 'no-such-rule = "why"'):
            project.write_text(f"[tool.thinned.audit.ignore]\n{wrong}\n")
            code, _, err = audit("notebook.py:Net", "--input", "64,1,28,28")
            assert 2 == code
            assert "thinned: expected" in err

    def test_the_least_severity_that_fails_can_be_told(self, audit, folder):
        """Any finding fails; a rate of 0 is a note, for which not every script should stop."""
        (folder / "zero.py").write_text(CLEAN.replace("0.5", "0.0"))

        assert 1 == audit("zero.py:model", "--input", "32,1,28,28")[0]
        assert 0 == audit("zero.py:model", "--input", "32,1,28,28", "--fail-on", "warning")[0]

    def test_a_factory_brings_its_input(self, audit, folder):
        """Keyword inputs, which no shape can tell."""
        (folder / "tokens.py").write_text(
            "import torch\nfrom torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n"
            "        super().__init__()\n        self.table = nn.Embedding(9, 64)\n"
            "    def forward(self, *, input_ids):\n        return self.table(input_ids)\n"
            "def make():\n    return Net(), {'input_ids': torch.ones(2, 3, dtype=torch.long)}\n"
        )

        assert 0 == audit("tokens.py:make")[0]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["clean.py"], "expected a file or a module and a name"),
            (["gone.py:make"], "gone.py does not exist"),
            (["clean.py:gone"], "to have the name 'gone'"),
            (["no.such.module:make"], "expected no.such.module to be importable"),
            (["clean.py:model"], "expected an example input"),
            (["clean.py:model", "--input", "a,b"], "expected sizes separated by commas"),
            (["clean.py:model", "--input", "gone.npz"], "gone.npz cannot be read"),
            (["clean.py:model", "--input", "2,3"], "in train raised RuntimeError"),
            (["clean.py:model", "--input", "2,784", "--select", "gone"], "expected ids of rules"),
        ],
    )
    def test_what_a_user_can_get_wrong(self, audit, arguments, message):
        """Is told in a sentence, with 2 as exit code."""
        code, out, err = audit(*arguments)

        assert 2 == code
        assert message in err
        assert "Traceback" not in err + out

    def test_the_rules_are_listed(self, audit):
        """A line each."""
        code, out, _ = audit("--list")

        assert 0 == code
        assert len(all_rules()) == len(out.splitlines())
