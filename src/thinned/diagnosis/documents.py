"""A report for programs: one JSON document, and SARIF 2.1.0 for code hosts."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from thinned.diagnosis.finding import Finding, Place, Report
from thinned.diagnosis.rule import Rule, all_rules

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def as_json(report: Report) -> dict[str, Any]:
    """Everything that the audit found and measured, as plain values."""
    return {
        "model": report.model,
        "framework": report.framework,
        "findings": [_finding(each) for each in report.findings],
        "silenced": [_finding(each) for each in report.silenced],
        "layers": [
            {"name": layer.name, "kind": layer.kind}
            | {
                mode: {"mean": _plain(mean), "variance": _plain(variance)}
                for mode, (mean, variance) in (("train", layer.train), ("evaluation", layer.evaluation))
            }
            for layer in report.layers
        ],
        "facts": _plain(report.facts),
    }


def _plain(value: Any) -> Any:
    """The same without infinities and NaN, which JSON does not have: null stands for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _finding(finding: Finding) -> dict[str, Any]:
    plain = {
        name: getattr(finding, name)
        for name in ("rule", "severity", "title", "evidence", "consequence", "mend")
    }
    plain["places"] = [asdict(place) for place in finding.places]
    plain["figures"] = _plain(finding.figures)
    if finding.silenced is not None:
        plain["silenced"] = finding.silenced
    return plain


def as_sarif(report: Report, version: str, fallback: str | None = None) -> dict[str, Any]:
    """The findings as SARIF 2.1.0, which code hosts show beside the lines.

    Args:
        report: of an audit.
        version: of this library.
        fallback: the file to point at where a finding has none, such as the one that makes the model; without a
            file a host shows nothing.

    References:
        OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", 2023,
        https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html.
    """
    listed = list(all_rules().values())
    index = {rule.id: place for place, rule in enumerate(listed)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "thinned audit",
                        "semanticVersion": version,
                        "rules": [_rule(rule) for rule in listed],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(finding, index, fallback) for finding in (*report.findings, *report.silenced)
                ],
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.sentence},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.mend},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"family": rule.family},
    }


def _result(finding: Finding, index: dict[str, int], fallback: str | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.title} {finding.evidence} {finding.consequence} {finding.mend}"},
        "locations": [_location(place, fallback) for place in finding.places],
        "properties": {"figures": _plain(finding.figures)},
    }
    if finding.silenced is not None:
        kind = "inSource" if finding.silenced_in_source else "external"
        result["suppressions"] = [{"kind": kind, "justification": finding.silenced}]
    return result


def _location(place: Place, fallback: str | None) -> dict[str, Any]:
    location: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": place.module or "(model)", "kind": "module"}]
    }
    file = place.file or fallback
    if file is not None:
        location["physicalLocation"] = {
            "artifactLocation": _artifact(file),
            "region": {"startLine": place.line if place.file and place.line else 1},
        }
    return location


def _artifact(file: str) -> dict[str, str]:
    """Relative to the folder that the audit ran in where it lies below, which a code host's checkout is."""
    path = Path(file).resolve()
    if path.is_relative_to(Path.cwd()):
        return {"uri": quote(path.relative_to(Path.cwd()).as_posix()), "uriBaseId": "%SRCROOT%"}
    return {"uri": path.as_uri()}
