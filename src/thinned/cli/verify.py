"""`thinned verify`: whether an implementation is right."""

import sys
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from thinned.cli.options import integers
from thinned.cli.thing import thing
from thinned.conformance import KINDS, METHODS, Report
from thinned.conformance import verify as held
from thinned.conformance.outcome import LIMIT, NOT_APPLICABLE, PASSED, UNEXPECTED, WRONG, Outcome

_STYLES = {WRONG: "bold red", UNEXPECTED: "bold red", LIMIT: "yellow", PASSED: "green", NOT_APPLICABLE: "dim"}


def verify(
    subject: Annotated[
        str,
        typer.Argument(
            help="package.module:Thing or path/to/file.py:Thing, a function or a layer.", show_default=False
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(help=f"What it is, where that cannot be told: {', '.join(KINDS)}.", show_default=False),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help=f"What it claims to be. [default: its name, or Dropout] One of {', '.join(METHODS)}.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Probability of dropping, of a layer that has one.", show_default=False),
    ] = None,
    shape: Annotated[
        str | None, typer.Option(help="Of its input, such as 64,128.", show_default=False)
    ] = None,
    shared: Annotated[
        str | None, typer.Option(help="Axes that share a draw, such as 2,3.", show_default=False)
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Checks to run, separated by commas.", show_default=False)
    ] = None,
    compiler: Annotated[str, typer.Option(help="Backend of torch.compile.")] = "inductor",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Limits count as findings: exit code 1.")] = False,
) -> None:
    """Hold an implementation of dropout to what it promises: rate, scale, independence, gradient, evaluation.

    Exit codes: 0 right, 1 wrong (with --strict: or limited), 2 usage. The code that is named is imported and run.

    Example: `thinned verify torch.nn:Dropout`, `thinned verify mine.py:my_dropout --kind torch-function`
    """
    with redirect_stdout(sys.stderr):  # what the subject prints is no part of the result
        report = held(
            thing(subject),
            kind=kind,
            method=method,
            rate=rate,
            shape=None if shape is None else integers(shape),
            shared=None if shared is None else integers(shared),
            checks=None if only is None else only.split(","),
            compiler=compiler,
        )
    if as_json:
        typer.echo(report.json())
    else:
        Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(*_parts(report), sep="\n")
    raise typer.Exit(report.exit_code(strict=strict))


def _parts(report: Report) -> list[Any]:
    rates = ", ".join(f"{rate:g}" for rate in report.rates)
    head = f"{report.subject}: {report.kind}, {report.framework}, as {report.method} at rates {rates}"
    return [Text(head), _table(report), Text(report.sentence)]


def _table(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "check", "found"):
        table.add_column(heading, overflow="fold")
    quiet = {PASSED, NOT_APPLICABLE}
    for each in sorted(report, key=lambda outcome: outcome.status in quiet):
        table.add_row(Text(each.status, _STYLES.get(each.status, "")), Text(each.check), _found(each))
    return table


def _found(each: Outcome) -> Text:
    if each.status in {PASSED, NOT_APPLICABLE}:
        return Text(each.measured, "dim" if each.status == NOT_APPLICABLE else "")
    found = Text.assemble((each.says, "bold"), f"\nfound: {each.measured}")
    if each.expected:
        found.append(f"\nexpected: {each.expected}")
    if each.likely:
        found.append(f"\nlikely: {each.likely}", "italic")
    return found
