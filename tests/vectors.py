"""Reads `src/thinned/mask/vectors.txt`; its header says what the words mean."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "src" / "thinned" / "mask" / "vectors.txt"
_COORDINATES = ("seed", "site", "step", "draw")


@dataclass(frozen=True)
class Case:
    """One line: its kind, what is given, and the words of the answer."""

    kind: str
    given: dict
    answer: list

    @property
    def address(self):
        """The coordinates that the line names."""
        return {name: _coordinate(self.given[name]) for name in _COORDINATES if name in self.given}

    @property
    def shape(self):
        """Of the local array."""
        return _integers(self.given["shape"])

    @property
    def share(self):
        """Shared axes."""
        return _integers(self.given.get("share", ""))

    @property
    def window(self):
        """The window as the library takes it, or None."""
        if "window" not in self.given:
            return None
        sizes, index = self.given["window"].split("@")
        entries = re.findall(r"\[[^]]*]|\d+", index)
        return _integers(sizes), tuple(
            list(_integers(entry[1:-1])) if entry.startswith("[") else int(entry) for entry in entries
        )

    @property
    def rate(self):
        """Probability of dropping."""
        return float(self.given["rate"])

    @property
    def where(self):
        """Everything that places the mask, as keyword arguments."""
        return {"share": self.share, "window": self.window, **self.address}


def cases(kind):
    """All cases of a kind, as pytest parameters whose ids are short."""
    found = [case for case in map(_case, _lines()) if case.kind == kind]
    assert found, f"vectors.txt has no case of kind {kind!r}"
    return [pytest.param(case, id=f"{kind}-{number}") for number, case in enumerate(found)]


def _lines():
    text = PATH.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _case(line):
    question, answer = line.split(" ->")
    kind, *words = question.split()
    return Case(kind, dict(word.split("=", 1) for word in words), answer.split())


def _integers(text):
    return tuple(int(word) for word in text.split(",") if word)


def _coordinate(text):
    return text[1:-1] if text.startswith('"') else int(text)
