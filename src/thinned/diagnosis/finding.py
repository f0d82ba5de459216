"""What an audit says: findings, each with a place, evidence, a consequence and a mend."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""From wrong for certain, over what costs accuracy as a rule, to what is worth knowing."""


@dataclass(frozen=True)
class Place:
    """Where something is: a module of the model, and a line of its source.

    Args:
        module: its qualified name; "" is the model itself.
        kind: the class of the module.
        file: of the call that drew, the nearest one outside the framework; None where no source has it.
        line: in that file, from 1.
        via: the line of the module that called the function that the line stands in, where it stands in one.
    """

    module: str
    kind: str = ""
    file: str | None = None
    line: int | None = None
    via: int | None = None

    def __str__(self) -> str:
        """As a terminal shows it."""
        name = self.module or "(the model itself)"
        kind = f" ({self.kind})" if self.kind else ""
        via = f", called from line {self.via}" if self.via is not None else ""
        return f"{name}{kind}" + (f" at {self.file}:{self.line}{via}" if self.file else "")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, at one place or at several alike.

    Args:
        rule: its id, the name of its page in `docs/audit`.
        severity: error, warning or note.
        title: a sentence.
        place: the first place.
        evidence: what was measured, with figures.
        consequence: what it costs.
        mend: what to do.
        more: other places of the same finding.
        figures: the evidence as numbers.
        silenced: the reason, where the user silenced it.
        silenced_in_source: whether by a comment on its line, and not by a table.
    """

    rule: str
    severity: Severity
    title: str
    place: Place
    evidence: str
    consequence: str
    mend: str
    more: tuple[Place, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    silenced: str | None = None
    silenced_in_source: bool = False

    @property
    def places(self) -> tuple[Place, ...]:
        """All of them."""
        return (self.place, *self.more)


@dataclass(frozen=True)
class Layer:
    """One layer's activations in both modes, for the picture: name, class, and (mean, variance) of its output."""

    name: str
    kind: str
    train: tuple[float, float]
    evaluation: tuple[float, float]


@dataclass(frozen=True)
class Report(Sequence[Finding]):
    """The findings of one audit, the worst first; a sequence of them.

    Args:
        model: its class.
        framework: whose model it is.
        findings: not silenced.
        silenced: those that the user silenced, each with its reason.
        layers: activations in both modes, in the order of the calls.
        facts: what was run: passes, seed, sites, draws, the chance of a false alarm.
    """

    model: str
    framework: str
    findings: tuple[Finding, ...]
    silenced: tuple[Finding, ...] = ()
    layers: tuple[Layer, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, index: Any) -> Any:
        """One finding, or a slice of them."""
        return self.findings[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        """One after the other, the worst first."""
        return iter(self.findings)

    def rules(self) -> set[str]:
        """The ids of the rules that found something."""
        return {finding.rule for finding in self.findings}

    def counts(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def fails(self, least: Severity = "note") -> bool:
        """Whether a script should stop: something at least as severe was found."""
        return any(SEVERITIES.index(finding.severity) <= SEVERITIES.index(least) for finding in self.findings)

    def __str__(self) -> str:
        """The report as a terminal shows it."""
        from thinned.diagnosis.text import as_text

        return as_text(self)


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The worst first, then as they come."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def merged(findings: Sequence[Finding]) -> list[Finding]:
    """Findings that differ in the place alone become one with several places.

    Layers of a stack differ by a number in their names: twelve blocks with one mistake are told once.
    """
    groups: dict[Any, list[Finding]] = {}
    for finding in findings:
        place = finding.place
        alike = (
            finding.rule,
            finding.severity,
            finding.title,
            _pattern(place.module),
            place.file,
            place.line,
            place.via,
        )
        groups.setdefault(alike, []).append(finding)
    return [_one(group) for group in groups.values()]


def _one(group: list[Finding]) -> Finding:
    first, *others = group
    places = dict.fromkeys(place for finding in others for place in finding.places)
    places.pop(first.place, None)
    return replace(first, more=(*first.more, *places))


def _pattern(module: str) -> str:
    return ".".join("#" if part.isdigit() else part for part in module.split("."))
