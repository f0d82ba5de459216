"""A study's answer as a page of Markdown, beside its picture and its records."""

import re
from collections.abc import Iterable, Sequence

from thinned.lab.answer import Table
from thinned.report.facts import Facts
from thinned.report.pages import as_cell
from thinned.report.words import clauses, summary, table


def page(
    facts: Facts, *, image: str, records: str, again: str, more: Sequence[str], reserves: Sequence[str] = ()
) -> str:
    """The page.

    Args:
        facts: what it says.
        image: path of the main picture, from the page.
        records: path of the records, from the page.
        again: the command that writes the page.
        more: the commands that add runs.
        reserves: what stands beside the answer, of its runs.
    """
    parts = [
        f"# {escaped(facts.asks)}",
        _answer(facts),
        *(f"*{escaped(each)}*" for each in reserves),
        *_in_full(facts),
        escaped(facts.answer.power),
    ]
    if facts.answer.charts:
        main = facts.answer.charts[0]
        parts += [f"![{escaped(summary(main))}]({image})"]
        parts += [escaped(main.note)] if main.note else []
    if facts.answer.tables or facts.answer.charts:
        parts += ["## The figures", *map(table_of, facts.answer.tables)]
    parts += [_folded(table(chart)) for chart in facts.answer.charts[:1]]
    parts += [
        "## How it was run",
        escaped(facts.how),
        escaped(facts.refuted_by),
        _rows(("", ""), [("Runs", facts.counted), *facts.about, ("Command", facts.command)]),
        f"Every figure on this page comes from [its records]({records}); this writes it again, all of it:",
        _code([again]),
        "To add more runs, with the versions above, so that those recorded are not trained again:",
        _code(more),
    ]
    return "\n\n".join(parts) + "\n"


def table_of(found: Table) -> str:
    """A table under its title.

    Example:
        >>> print(table_of(Table("Arms", ("arm", "runs"), (("none", 10),))))
        **Arms**
        <BLANKLINE>
        | arm | runs |
        | --- | --: |
        | none | 10 |
    """
    rows = [[str(as_cell(value)["text"]) for value in row] for row in found.rows]
    note = f"\n\n{escaped(found.note)}" if found.note else ""
    return f"**{escaped(found.title)}**\n\n{_rows(found.columns, rows)}{note}"


def escaped(text: str) -> str:
    r"""A text in which nothing is markup.

    Example:
        >>> print(escaped("a|b *c* <d> #1"))
        a\|b \*c\* &lt;d> #1
    """
    return re.sub(r"([\\`*|\[\]])", r"\\\1", " ".join(text.split())).replace("<", "&lt;")


def _answer(facts: Facts) -> str:
    return f"**{escaped(facts.answer.verdict.capitalize())}.** {escaped(facts.answer.brief)}"


def _in_full(facts: Facts) -> list[str]:
    """The sentence clause by clause, where the first line does not say all of it."""
    if facts.answer.brief == facts.answer.sentence:
        return []
    return ["In full:", "\n".join(f"- {escaped(each)}" for each in clauses(facts.answer.sentence))]


def _folded(found: Table) -> str:
    return f"<details>\n<summary>{escaped(found.title)}</summary>\n\n{table_of(found)}\n\n</details>"


def _rows(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["--:" if any(heads) else "---"] * (len(heads) - 1)]
    body = ([escaped(cell) for cell in row] for row in (heads, *rows))
    lines = ["|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|" for row in body]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def _code(lines: Sequence[str]) -> str:
    return "\n".join(["```", *lines, "```"])
