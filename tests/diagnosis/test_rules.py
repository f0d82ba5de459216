"""Every rule finds its bad model, and nothing finds anything in its good one."""

import re
from pathlib import Path

import pytest

import thinned
from thinned.diagnosis import all_rules
from thinned.diagnosis.pages import pages
from thinned.diagnosis.rule import FAMILIES

DOCS = Path(__file__).parents[2] / "docs" / "audit"
RULES = list(all_rules().values())


def made(source, folder, name):
    """(model, example input, keyword arguments of the audit, the file) of an example, from a file of its own."""
    file = folder / f"{name}.py"
    file.write_text(source)
    names = {"__name__": name}
    exec(compile(source, str(file), "exec"), names)  # noqa: S102 - the rule's own example
    model, example = names["make"]()
    return model, example, names.get("AUDIT", {}), file


class TestExamples:
    """The minimal models on each rule's page."""

    @pytest.mark.filterwarnings("ignore:dropout option adds dropout after all but last:UserWarning")
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
    def test_the_bad_model_is_found(self, rule, tmp_path):
        """At a place, with figures in the evidence, and a mend."""
        model, example, options, file = made(rule.bad, tmp_path, "bad")
        report = thinned.audit(model, example, files=[file], **options)
        found = [finding for finding in report if finding.rule == rule.id]

        assert found
        assert found[0].severity == rule.severity
        assert re.search(r"\d", found[0].evidence)
        assert found[0].mend
        assert found[0].consequence

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
    def test_the_good_model_is_clean(self, rule, tmp_path):
        """For every rule, not for this one alone."""
        model, example, options, file = made(rule.good, tmp_path, "good")
        report = thinned.audit(model, example, files=[file], **options)

        assert [] == [str(finding) for finding in report]


class TestPages:
    """`docs/audit`."""

    def test_they_are_what_the_rules_say(self):
        """`python -m thinned.diagnosis.pages docs/audit` writes them; nothing else lies there but families.md."""
        written = {file.name: file.read_text(encoding="utf-8") for file in DOCS.glob("*.md")}
        written.pop("families.md", None)

        assert pages() == written

    def test_each_rule_is_told_in_sentences(self):
        """And stands under a heading that exists."""
        for rule in RULES:
            assert rule.family in FAMILIES
            assert rule.sentence.endswith(".")
            assert rule.why.endswith(".")
            assert rule.mend.endswith(".")
