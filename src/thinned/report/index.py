"""The page of `thinned study all`: every question with its answer and its main picture, and where the rest is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from thinned.lab.answer import Cell, Table
from thinned.lab.studies import STUDIES
from thinned.report.facts import Facts
from thinned.report.pages import fill, save

NAME = "index.html"


@dataclass(frozen=True, slots=True)
class Entry:
    """One study.

    Args:
        facts: what its page says.
        link: to its page, from the index.
    """

    facts: Facts
    link: str


def render(entries: Sequence[Entry]) -> str:
    """The page, in the order of `thinned study --list`; the same entries give the same bytes.

    Args:
        entries: one a page.
    """
    order = {name: k for k, name in enumerate(STUDIES)}
    found = sorted(entries, key=lambda each: (order.get(each.facts.study, len(order)), each.link))
    pictures = {
        f"picture-{k}": each.facts.answer.charts[0]
        for k, each in enumerate(found)
        if each.facts.answer.charts
    }
    return fill("index.html.j2", pictures, entries=found, answers=_answers(found))


def write(pages: Iterable[tuple[Path, Facts]], folder: Path) -> Path:
    """Write `index.html` into a folder, for pages that lie below it.

    Returns:
        Its path.
    """
    entries = [Entry(facts, quote(path.relative_to(folder).as_posix())) for path, facts in pages]
    return save(render(entries), folder / NAME)


def _answers(entries: Sequence[Entry]) -> Table:
    rows = tuple(
        (
            each.facts.study,
            each.facts.data["name"],
            each.facts.answer.verdict,
            Cell(each.facts.counted, len(each.facts.records)),
        )
        for each in entries
    )
    return Table("The studies", ("Study", "Data", "Verdict", "Runs"), rows)
