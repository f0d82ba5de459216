"""Ten families of published models: what is reported of each was judged by hand, and nothing else is."""

import re
from pathlib import Path

import pytest

from tests.diagnosis.families import FAMILIES, JUDGED, audited

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs" / "audit" / "families.md"
FOUND = {"ViT": ["rate-zero"], "ConvNeXt": ["rate-zero"]}
"""The only findings, which are true; the other families have none."""


class TestFamilies:
    """Each of them, small."""

    @pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
    @pytest.mark.parametrize("name", ["BERT", "GPT-2", "ViT"])
    def test_no_finding_is_false(self, name):
        """What is found is what was judged to be true; `python -m tests.diagnosis.families` asks all ten."""
        report, _ = audited(name)

        assert FOUND.get(name, []) == [finding.rule for finding in report]

    @pytest.mark.parametrize("name", FAMILIES)
    def test_the_page_has_each_with_its_judgement(self, name):
        """And what the command found of it then."""
        page = PAGE.read_text(encoding="utf-8")
        (section,) = re.findall(rf"^## {re.escape(name)}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)

        assert set(JUDGED) == set(FAMILIES)
        assert JUDGED[name] in section
        assert FOUND.get(name, []) == re.findall(r"^- \w+, \[([\w-]+)\]", section, re.MULTILINE)
