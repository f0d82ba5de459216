"""`thinned report`: the page again, from the records alone."""

import json
from pathlib import Path
from typing import Annotated

import typer

from thinned.cli.damage import tell
from thinned.errors import RecordError


def report(
    folder: Annotated[
        Path, typer.Argument(help="The folder that `thinned study` wrote.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Make report.html again from a folder's records.

    Where they hold several designs, the page is about that of the last record.

    Example: `thinned report runs/dropout-digits`
    """
    from thinned.lab.records import Store
    from thinned.lab.study import RECORDS
    from thinned.report import gather, write

    store = folder / RECORDS
    if not store.is_file():
        raise RecordError(
            f"expected a folder with {RECORDS}; got {str(folder)!r}, without. `thinned study` writes it."
        )
    from thinned.lab.frameworks.gather import holds_frameworks

    if holds_frameworks(store):
        _frameworks(store, as_json=as_json)
        return
    contents = Store(store).read()
    tell(store, contents.damaged)
    facts = gather(contents)
    path = write(facts, folder / "report.html")
    if as_json:
        typer.echo(json.dumps({"sentence": facts.sentence, "report": str(path), "records": str(store)}))
    else:
        typer.echo(f"{facts.sentence}\n{path}")


def _frameworks(store: Path, *, as_json: bool) -> None:
    from thinned.lab.frameworks.gather import gather
    from thinned.report.frameworks import write

    result = gather(store)
    path = write(result, store.with_name("report.html"))
    sentence = result.answer["sentence"]
    if as_json:
        typer.echo(json.dumps({"sentence": sentence, "report": str(path), "records": str(store)}))
    else:
        typer.echo(f"{sentence}\n{path}")
