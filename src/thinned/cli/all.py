"""`thinned study all`: every question, one after the other, under one bar."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from thinned.cli.answer import announce, complete, document, indexed, interrupted, written
from thinned.cli.damage import tell
from thinned.errors import ThinnedError
from thinned.lab.progress import Silent, Terminal, Watch
from thinned.lab.studies import STUDIES
from thinned.lab.study import Result, Study


def ask_all(make: Callable[[str, Path | None], Study], out: Path | None, *, as_json: bool) -> None:
    """Ask every question; what goes wrong in one is told, and the others go on.

    Exit code 1 where a run failed or a question could not be asked.

    Args:
        make: from the name of a study and its folder to the study.
        out: under which each study has a folder of its own name; None takes each one's own default.
        as_json: whether one JSON document is printed.
    """
    answers: list[dict[str, Any]] = []
    results: list[Result] = []
    lines = _Lines()
    whole = True
    with Terminal() if sys.stderr.isatty() else nullcontext(Silent()) as watch:
        for k, name in enumerate(STUDIES, start=1):
            watch.study(f"{name}, {k} of {len(STUDIES)}")
            begun = time.monotonic()
            asked = make(name, None if out is None else out / name)
            try:
                result = _asked(asked, watch)
                page = written(result)
            except ThinnedError as error:
                watch.note(f"thinned: {name}: {error}")
                lines.add(name, "failed", str(error), time.monotonic() - begun)
                answers.append({"study": name, "error": str(error)})
                continue
            tell(result.store, result.damaged)
            whole = whole and complete(result, page)
            results.append(result)
            lines.result(result, time.monotonic() - begun)
            answers.append(document(result, asked.load().name, page))
    page = indexed(results)
    if as_json:
        typer.echo(json.dumps(answers, indent=2, allow_nan=False))
    else:
        lines.show()
        if page is not None:
            typer.echo(f"Report: {page.resolve()}")
    if not whole or any("error" in each for each in answers):
        raise typer.Exit(1)


def _asked(asked: Study, watch: Watch) -> Result:
    try:
        announce(asked.load().name, chosen=asked.data is not None)
        return asked.run(watch)
    except KeyboardInterrupt:
        interrupted(asked)
        raise typer.Exit(130) from None


class _Lines:
    """One line a study."""

    def __init__(self) -> None:
        self._table = Table(box=None, pad_edge=False, header_style="bold", row_styles=["", ""])
        for head in ("study", "verdict", "runs", "time", "answer"):
            self._table.add_column(
                head, no_wrap=head != "answer", justify="right" if head in {"runs", "time"} else "left"
            )

    def result(self, result: Result, seconds: float) -> None:
        """Of a study that was asked."""
        failed = f" + {len(result.failures)} failed" if result.failures else ""
        runs = f"{len({record.key for record in result.records})}{failed}"
        self._row(result.design.question.name, result.answer.verdict, runs, seconds, result.answer.brief)

    def add(self, name: str, verdict: str, sentence: str, seconds: float) -> None:
        """Of a study that could not be asked."""
        self._row(name, verdict, "", seconds, sentence)

    def _row(self, name: str, verdict: str, runs: str, seconds: float, sentence: str) -> None:
        self._table.add_row(*map(Text, (name, verdict, runs, f"{seconds:.0f} s", f"{sentence}\n")))

    def show(self) -> None:
        """To standard output."""
        Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(self._table)
