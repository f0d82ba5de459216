"""`thinned audit`: what is wrong with a model's dropout."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from thinned import __version__

if TYPE_CHECKING:
    from thinned.diagnosis import Report


def audit(
    subject: Annotated[
        str,
        typer.Argument(
            help="A file or a module, a colon, and the name of a model or of a function that makes one, such as "
            "mymodel.py:make; the function may return (model, example_input).",
            show_default=False,
        ),
    ] = "",
    example_input: Annotated[
        str | None,
        typer.Option(
            "--input",
            help="Sizes of one float input, such as 8,3,32,32, or an .npy or .npz file, whose arrays are the "
            "keyword arguments of a call.",
            show_default=False,
        ),
    ] = None,
    train_input: Annotated[
        str | None, typer.Option(help="The same, as it is fed in training.", show_default=False)
    ] = None,
    eval_input: Annotated[
        str | None, typer.Option(help="The same, as it is fed in evaluation.", show_default=False)
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(help="Rules to apply, separated by commas. [default: all]", show_default=False),
    ] = None,
    fail_on: Annotated[
        Literal["note", "warning", "error"],
        typer.Option(help="The least severe finding for which the exit code is 1."),
    ] = "note",
    sarif: Annotated[
        Path | None, typer.Option(help="File to write SARIF 2.1.0 to, for code hosts.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the rules.")] = False,
) -> None:
    """Find what is wrong with a model's dropout: where, with which evidence, what it costs, what to do.

    A PyTorch model is run a few times in both modes, and left as it was. Of Flax and Keras models the structure is
    read, and their activations where there is an input. Silence a rule on its line by `# thinned: ignore[rule]`, or
    in pyproject.toml, with a reason: `[tool.thinned.audit.ignore]`, `rule = "reason"`.

    Exit code 1 where anything is found; with --fail-on, where something as severe is found.

    Example: `thinned audit mymodel.py:make --input 32,784`
    """
    from thinned.diagnosis import all_rules

    if listing:
        _list(as_json=as_json)
        return
    if not subject:
        raise typer.BadParameter("expected a model, such as mymodel.py:make; got none.")
    from thinned.diagnosis import audit as run
    from thinned.diagnosis.documents import as_sarif
    from thinned.diagnosis.inputs import read
    from thinned.diagnosis.silence import from_project
    from thinned.diagnosis.subject import load

    silences = from_project(Path.cwd(), set(all_rules()))
    inputs = [None if text is None else read(text) for text in (example_input, train_input, eval_input)]
    with redirect_stdout(sys.stderr):  # what the model prints is no part of the result
        found = load(subject)
        report = run(
            found.model,
            found.example_input if inputs[0] is None else inputs[0],
            train_input=inputs[1],
            eval_input=inputs[2],
            select=None if select is None else [name.strip() for name in select.split(",")],
            ignore=silences,
            files=[found.file] if found.file else [],
        )
    if sarif is not None:
        document = as_sarif(report, __version__, found.file)
        sarif.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    _show(report, as_json=as_json)
    if report.fails(fail_on):
        raise typer.Exit(1)


def _show(report: "Report", *, as_json: bool) -> None:
    if as_json:
        from thinned.diagnosis.documents import as_json as document

        typer.echo(json.dumps(document(report), indent=2, allow_nan=False))
        return
    from rich.console import Console

    from thinned.diagnosis.text import show

    show(report, Console(width=None if sys.stdout.isatty() else 100, highlight=False))


def _list(*, as_json: bool) -> None:
    from thinned.diagnosis import all_rules

    if as_json:
        listed = [
            {"id": rule.id, "family": rule.family, "severity": rule.severity, "sentence": rule.sentence}
            for rule in all_rules().values()
        ]
        typer.echo(json.dumps(listed, indent=2))
        return
    for rule in all_rules().values():
        typer.echo(f"{rule.id:<26}{rule.severity:<9}{rule.sentence}")
