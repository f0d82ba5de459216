"""`thinned report`: pages again, from the records alone."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thinned.cli.damage import tell
from thinned.errors import RecordError

if TYPE_CHECKING:
    from thinned.report import Facts


def report(
    folder: Annotated[
        Path | None,
        typer.Argument(
            help="The folder that `thinned study` wrote, or one with many such.", show_default=False
        ),
    ] = None,
    findings: Annotated[
        Path | None,
        typer.Option(help="Write the pages of this folder of findings from its records.", show_default=False),
    ] = None,
    add: Annotated[
        list[Path] | None,
        typer.Option(
            help="First add the runs of this study's folder to the findings. Repeatable.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Make report.html again from a folder's records, or, above many folders, theirs and index.html.

    Where the records hold several designs, the page is about that of the last record.

    Example: `thinned report runs/dropout-digits`
    """
    if (folder is None) == (findings is None):
        raise typer.BadParameter("expected a folder of records, or --findings; got both or neither.")
    if add and findings is None:
        raise typer.BadParameter(
            "expected --findings with --add; got a folder of records. Name the findings."
        )
    if findings is not None:
        done = _findings(findings, add or [])
    elif folder is not None and not (folder / "records.jsonl").is_file():
        done = _many(folder)
    else:
        done = _one(folder or Path())[1]
    typer.echo(json.dumps(done["document"]) if as_json else done["said"])
    if done["document"].get("without_page"):
        raise typer.Exit(1)


def _one(folder: Path) -> "tuple[Facts | None, dict[str, Any]]":
    """One folder's page: its facts, where it is that of arms, and what to print."""
    from thinned.lab.frameworks.gather import holds_frameworks
    from thinned.lab.records import Store
    from thinned.lab.study import RECORDS
    from thinned.report import gather, write
    from thinned.report.words import spoken

    store = folder / RECORDS
    if holds_frameworks(store):
        return None, _told(*_frameworks(store), store)
    contents = Store(store).read()
    tell(store, contents.damaged)
    facts = gather(contents)
    return facts, _told(
        facts.answer.sentence, write(facts, folder / "report.html"), store, spoken(facts.answer)
    )


def _many(folder: Path) -> dict[str, Any]:
    """The page of each folder below, and an index of them."""
    from thinned.lab.study import RECORDS
    from thinned.report import index

    stores = sorted(folder.glob(f"*/{RECORDS}"))
    if not stores:
        raise RecordError(
            f"expected a folder with {RECORDS}, or folders with it below; got {str(folder)!r}, without. "
            "`thinned study` writes them."
        )
    made: list[dict[str, Any]] = []
    pages: list[tuple[Path, Facts]] = []
    refused = []
    for store in stores:
        try:
            facts, told = _one(store.parent)
        except RecordError as error:  # the others still have pages
            print(f"thinned: {store}: {error}", file=sys.stderr)
            refused.append(str(store))
            continue
        made.append(told)
        if facts is not None:
            pages.append((store.with_name("report.html"), facts))
    path = index.write(pages, folder)
    document = {"index": str(path), "studies": [each["document"] for each in made], "without_page": refused}
    return {"said": "\n".join([*(each["said"] for each in made), str(path)]), "document": document}


def _findings(folder: Path, sources: list[Path]) -> dict[str, Any]:
    from thinned.lab.study import RECORDS
    from thinned.report import findings

    added = findings.add(folder, [source / RECORDS if source.is_dir() else source for source in sources])
    paths = [str(path) for path in findings.write(folder)]
    said = "\n".join([f"{added} runs added"] * bool(sources) + paths)
    return {"said": said, "document": {"added": added, "files": paths}}


def _told(sentence: str, page: Path, store: Path, said: str = "") -> dict[str, Any]:
    document = {"sentence": sentence, "report": str(page), "records": str(store)}
    return {"said": f"{said or sentence}\n{page}", "document": document}


def _frameworks(store: Path) -> tuple[str, Path]:
    from thinned.lab.frameworks.gather import gather
    from thinned.report.frameworks import write

    result = gather(store)
    return result.answer["sentence"], write(result, store.with_name("report.html"))
