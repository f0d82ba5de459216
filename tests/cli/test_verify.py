"""`thinned verify`."""

import json

import pytest

from tests.cli.command import thinned

MINE = """
import torch

def right(x, rate):
    return torch.where(torch.rand(x.shape) >= rate, x / (1 - rate), 0.0)

def notebook(x, rate):
    return (torch.randn(x.shape) > rate).float() * x / (1 - rate)
"""
ONLY = ["--only", "keep_rate,scale,bad_rates"]


@pytest.fixture
def file(tmp_path):
    """With a right implementation and a wrong one."""
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


class TestVerify:
    """A verdict, as a table, as a document, and as an exit code."""

    def test_a_right_one(self, file):
        """0; with --strict its limits count."""
        found = thinned("verify", f"{file}:right", *ONLY, "--strict", "--json")
        document = json.loads(found.out)

        assert 1 == found.code
        assert document["ok"] is True
        assert ["passed", "passed", "limit"] == [each["status"] for each in document["checks"]]

    def test_a_wrong_one(self, file):
        """1, and the mistake in words; the module is found by its name too."""
        found = thinned("verify", "mine:notebook", *ONLY, cwd=file.parent)

        assert 1 == found.code
        assert "P(N(0,1) > 0.5) = 0.309" in found.out
        assert "wrong in 1 check" in found.out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("mine",), "expected package.module:Thing"),
            (("nowhere.py:f",), "there is no file nowhere.py"),
            (("math:cbrt2",), "it has no such name"),
            (("no_such_module:f",), "there is no module 'no_such_module'"),
        ],
    )
    def test_usage(self, arguments, message):
        """2, with what was expected."""
        found = thinned("verify", *arguments)

        assert 2 == found.code
        assert message in " ".join(found.err.replace("│", "").split())

    def test_what_cannot_be_told(self):
        """2, with what to state."""
        found = thinned("verify", "math:sqrt", "--kind", "numpy-function")

        assert 2 == found.code
        assert found.err.startswith("thinned: expected")
