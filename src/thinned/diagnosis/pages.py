"""Writes the page of each rule, and the list of them: `python -m thinned.diagnosis.pages docs/audit`."""

import sys
from pathlib import Path

from thinned.diagnosis.rule import FAMILIES, Rule, all_rules


def page(rule: Rule) -> str:
    """One rule's page."""
    others = f"\nAlso read from models of: {', '.join(rule.frameworks)}.\n" if rule.frameworks else ""
    references = "".join(f"\n- {each}" for each in rule.references)
    seen = f"\n## Seen in\n{references}\n" if references else ""
    return (
        f"# {rule.id}\n\n{rule.sentence} ({rule.severity}; {rule.family.lower()})\n\n## Why\n\n{rule.why}\n\n"
        f"## What to do\n\n{rule.mend}\n{others}\n## Found in\n\n```python\n{rule.bad.strip()}\n```\n\n"
        f"## Silent on\n\n```python\n{rule.good.strip()}\n```\n{seen}\n"
        f"Silence it on its line with `# thinned: ignore[{rule.id}] reason`, or everywhere in `pyproject.toml`:\n\n"
        f'```toml\n[tool.thinned.audit.ignore]\n{rule.id} = "reason"\n```\n'
    )


def index() -> str:
    """The list of all rules."""
    lines = [
        "# What `thinned audit` looks for\n",
        "Each page has a minimal model in which the rule finds something, and one on which every rule is silent;",
        "tests run both. Errors are wrong for certain, warnings cost accuracy as a rule, notes are worth knowing.",
        "What the audit says of ten families of models is in [families.md](families.md).",
        "",
        "`thinned audit` exits with 1 where anything is found, and with 2 where it could not look; with",
        "`--fail-on warning` or `--fail-on error` lesser findings do not fail. What is silenced with a reason, on",
        "its line or in `pyproject.toml` as each page ends with, is told and does not count.",
    ]
    for family in FAMILIES:
        rows = [rule for rule in all_rules().values() if rule.family == family]
        lines += [f"\n## {family}\n", "| rule | severity | what |", "|---|---|---|"]
        lines += [f"| [{rule.id}]({rule.id}.md) | {rule.severity} | {rule.sentence} |" for rule in rows]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    return {"README.md": index()} | {f"{rule.id}.md": page(rule) for rule in all_rules().values()}


def main(folder: str) -> None:
    """Write them."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (Path(folder) / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
