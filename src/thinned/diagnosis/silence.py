"""What the user silenced, and why: by a comment on the line, or in `pyproject.toml`."""

import fnmatch
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from thinned.diagnosis.finding import Finding, Place
from thinned.diagnosis.source import ignored
from thinned.errors import AuditError


@dataclass(frozen=True)
class Silence:
    """A rule that the user does not want to hear, and why.

    Args:
        rule: its id.
        reason: in words; it stands in the report.
        module: a pattern of qualified names, such as `encoder.*`; all by default.
    """

    rule: str
    reason: str
    module: str = "*"


def silenced(findings: Sequence[Finding], silences: Sequence[Silence]) -> tuple[list[Finding], list[Finding]]:
    """Findings that remain, and those that are silenced at each of their places."""
    remain, quiet = [], []
    for finding in findings:
        reasons = {place: _reason(finding.rule, place, silences) for place in finding.places}
        heard = [place for place, reason in reasons.items() if reason is None]
        hushed = [(place, reason) for place, reason in reasons.items() if reason is not None]
        if heard:
            remain.append(replace(finding, place=heard[0], more=tuple(heard[1:])))
        if hushed:
            first, (reason, in_source) = hushed[0]
            more = tuple(place for place, _ in hushed[1:])
            quiet.append(
                replace(finding, place=first, more=more, silenced=reason, silenced_in_source=in_source)
            )
    return remain, quiet


def _reason(rule: str, place: Place, silences: Sequence[Silence]) -> tuple[str, bool] | None:
    """Why a finding is silenced at a place, and whether its source says so; None where it is not."""
    by_line = (ignored(place.file, place.via) | ignored(place.file, place.line)).get(rule)
    if by_line is not None:
        return by_line, True
    for each in silences:
        if each.rule == rule and fnmatch.fnmatchcase(place.module, each.module):
            return each.reason, False
    return None


def from_project(folder: Path, known: set[str]) -> list[Silence]:
    """What the nearest `pyproject.toml` silences, in this folder or above.

        [tool.thinned.audit.ignore]
        rate-zero = "the configuration of a published model"
        after-last-layer = { module = "encoder.*", reason = "a head follows elsewhere" }

    Raises:
        AuditError: a rule that does not exist, or an entry without a reason.
    """
    for parent in (folder.resolve(), *folder.resolve().parents):
        file = parent / "pyproject.toml"
        if file.is_file():
            return [
                each for rule, entry in _table(file).items() for each in _entries(file, rule, entry, known)
            ]
    return []


def _table(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AuditError(f"expected a TOML document; {file} is none: {error}.") from error
    found = content.get("tool", {}).get("thinned", {}).get("audit", {})
    unknown = sorted(set(found) - {"ignore"})
    if unknown:
        raise AuditError(
            f"expected the key 'ignore' in [tool.thinned.audit] of {file}; got {', '.join(unknown)}."
        )
    table: dict[str, Any] = found.get("ignore", {})
    return table


def _entries(file: Path, rule: str, entry: Any, known: set[str]) -> list[Silence]:
    where = f"[tool.thinned.audit.ignore] of {file}"
    if rule not in known:
        raise AuditError(
            f"expected ids of rules in {where}; got {rule!r}. They are: {', '.join(sorted(known))}."
        )
    found = []
    for each in entry if isinstance(entry, list) else [entry]:
        table = {"reason": each} if isinstance(each, str) else each
        if (
            not isinstance(table, dict)
            or not str(table.get("reason", "")).strip()
            or set(table) - {"reason", "module"}
        ):
            raise AuditError(
                f"expected a reason, or a table of module and reason, for {rule!r} in {where}; got {each!r}."
            )
        found.append(Silence(rule, table["reason"], table.get("module", "*")))
    return found
