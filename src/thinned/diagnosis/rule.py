"""What a rule is, and the list of them."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from thinned.diagnosis.finding import Finding, Severity

Check: TypeAlias = Callable[[Any], Iterable[Finding]]


@dataclass(frozen=True)
class Rule:
    """One thing that goes wrong with dropout.

    Args:
        id: the name of its page in `docs/audit`, and what `# thinned: ignore[id]` names.
        family: the heading that it stands under.
        severity: the worst that it reports.
        sentence: what is wrong, in one sentence.
        why: what it costs, in a paragraph.
        mend: what to do.
        bad: source of a minimal model in which it must be found; `make()` returns (model, example input).
        good: the same, mended; no rule may find anything in it.
        check: reads a trace of a PyTorch model, and gives findings.
        references: papers and threads.
        frameworks: beyond PyTorch, where the structure of a model allows it.
    """

    id: str
    family: str
    severity: Severity
    sentence: str
    why: str
    mend: str
    bad: str
    good: str
    check: Check
    references: Sequence[str] = ()
    frameworks: Sequence[str] = ()

    def finding(self, **about: Any) -> Finding:
        """A finding of this rule; what is not given is the rule's own."""
        own = {"severity": self.severity, "title": self.sentence, "consequence": self.why, "mend": self.mend}
        return Finding(rule=self.id, **(own | about))


FAMILIES = (
    "Active when it should not be",
    "Inactive when it should be",
    "Wrong strength",
    "Wrong place",
    "Not independent",
    "Forward is not backward",
    "Train against eval",
)


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by its id, in the order of the families."""
    package = importlib.import_module("thinned.diagnosis.rules")
    found: list[Rule] = []
    for each in pkgutil.iter_modules(package.__path__):
        found.append(importlib.import_module(f"{package.__name__}.{each.name}").RULE)
    found.sort(key=lambda rule: (FAMILIES.index(rule.family), rule.id))
    return {rule.id: rule for rule in found}
