"""The page on third parties, `docs/conformance.md`.

    python -m thinned.conformance.matrix > docs/conformance.md

Each group of `third_parties.py` runs in a process of its own. MXNet has an environment of its own too: name its
Python with `--mxnet`. A group whose packages are not installed is named on the page as not looked at.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from thinned.conformance.checks import CHECKS
from thinned.conformance.outcome import LIMIT, NOT_APPLICABLE, WRONG
from thinned.conformance.third_parties import GROUPS
from thinned.conformance.upstream import NOTES

AREAS = {
    "law": "law",
    "edges": "rates 0 and 1, sizes",
    "evaluation": "modes, calls, seeds",
    "independence": "independence",
    "gradient": "gradient",
    "form": "form",
    "precision": "half, double",
    "transforms": "compile, vmap",
}
"""A column for each file of checks."""

HEAD = """# Conformance of third parties

What `thinned verify` finds in implementations that are not ours. This page is written by
`python -m thinned.conformance.matrix > docs/conformance.md`, which runs every check on every subject, on a CPU.
All statistical checks of one subject together fail a right one with a chance of at most 1e-6. *Wrong* is wrong in
ordinary use; a *limit* is what one should know. `-` stands where no check of the column applies, with the reasons
in `thinned verify`'s own output.
"""

CHECKING = """
## Check your own

```
thinned verify torch.nn:Dropout
thinned verify path/to/mine.py:MyDropout --method Dropout2d --json
```

In Python `thinned.verify(subject)` returns the same as an object, and in a test suite each check is a test:

```python
import torch
from thinned.conformance.pytest import parametrize_with_checks

@parametrize_with_checks([torch.nn.Dropout], expected_failures={})
def test_dropout(subject, check):
    check(subject)
```
"""


def gathered(mxnet: str | None) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What each group's process printed, and why others printed nothing."""
    found, absent = [], {}
    for group in GROUPS:
        python = mxnet if group == "mxnet" else sys.executable
        if python is None:
            absent[group] = "no environment with MXNet was named"
            continue
        command = [python, "-W", "ignore", "-m", "thinned.conformance.third_parties", group]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
        if done.returncode:
            absent[group] = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        else:
            found.append(json.loads(done.stdout.splitlines()[-1]))
    return found, absent


def page(groups: list[dict[str, Any]], absent: dict[str, str]) -> str:
    """The page, from what was gathered."""
    reports = [(group, report) for group in groups for report in group["reports"]]
    return "\n".join(
        [
            HEAD,
            *_versions(groups, absent),
            "",
            *_table(reports),
            "",
            "## What was found",
            "",
            *_findings(reports),
            "## In a few lines",
            *_notes(reports),
            CHECKING.rstrip(),
            "",
            "## The checks",
            "",
            "| check | of a right subject | a failure is |",
            "| --- | --- | --- |",
            *(f"| `{each.name}` | {each.says}. | {each.level} |" for each in CHECKS.values()),
        ]
    )


def _versions(groups: list[dict[str, Any]], absent: dict[str, str]) -> Iterator[str]:
    seen = {name: version for group in groups for name, version in group["versions"].items()}
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(seen.items())) + "."
    for group, why in absent.items():
        yield f"\nNot looked at: {group} ({why})."


def _table(reports: list[tuple[dict[str, Any], dict[str, Any]]]) -> Iterator[str]:
    yield f"| implementation | {' | '.join(AREAS.values())} |"
    yield f"| --- |{' --- |' * len(AREAS)}"
    for group, report in reports:
        cells = [_cell(report, area) for area in AREAS]
        yield f"| {_title(group, report)} | {' | '.join(cells)} |"


def _title(group: dict[str, Any], report: dict[str, Any]) -> str:
    name: str = report["name"]
    return f"{name}, on {group['group'].rpartition(' ')[2]}" if group["group"].startswith("keras") else name


def _cell(report: dict[str, Any], area: str) -> str:
    names = {name for name, check in CHECKS.items() if check.run.__module__.rpartition(".")[2] == area}
    found = [each for each in report["checks"] if each["check"] in names]
    wrong = [f"**wrong**: {each['check']}" for each in found if each["status"] == WRONG]
    limits = [each["check"] for each in found if each["status"] == LIMIT]
    told = wrong + ([f"limit: {', '.join(limits)}"] if limits else [])
    if told:
        return "; ".join(told)
    return "-" if all(each["status"] == NOT_APPLICABLE for each in found) else "right"


def _findings(reports: list[tuple[dict[str, Any], dict[str, Any]]]) -> Iterator[str]:
    for group, report in reports:
        found = [each for each in report["checks"] if each["status"] in {WRONG, LIMIT}]
        if not found:
            continue
        yield f"**{_title(group, report)}**, as {report['method']}, {report['framework']}:"
        yield ""
        for each in found:
            likely = f" Likely: {each['likely']}" if each["likely"] else ""
            told = f"{_plain(each['measured'])}. Expected: {each['expected']}.{likely}"
            yield f"- {each['status']}, `{each['check']}`: {told}"
        yield ""


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _notes(reports: list[tuple[dict[str, Any], dict[str, Any]]]) -> Iterator[str]:
    """Those of findings that this run had."""
    found = {
        (report["name"], each["check"])
        for _, report in reports
        for each in report["checks"]
        if each["status"] in {WRONG, LIMIT}
    }
    for note in NOTES:
        if (note.subject, note.check) in found:
            yield f"\n### {note.title}\n\n{note.text}\n\n```python\n{note.code}\n```\n\n{note.threads}"


def main() -> None:
    """Write the page to standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--mxnet", metavar="PYTHON", help="the interpreter of an environment with MXNet and thinned"
    )
    print(page(*gathered(parser.parse_args().mxnet)))


if __name__ == "__main__":
    main()
