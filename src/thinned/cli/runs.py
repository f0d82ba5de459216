"""`thinned runs`: what the records hold."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thinned.cli.damage import tell
from thinned.errors import RecordError

if TYPE_CHECKING:
    from rich.table import Table

    from thinned.lab.records import Record


def runs(
    folder: Annotated[Path, typer.Argument(help="Of one study, or of many.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the recorded runs in a folder and below it.

    Runs that share data, settings and versions stand together under these; --json has everything.

    Example: `thinned runs runs/dropout-digits`
    """
    if not folder.is_dir():
        raise RecordError(
            f"expected a folder of records; got {str(folder)!r}, which is none. `thinned study` makes one."
        )
    found, refused = _read(folder)
    if as_json:
        rows = [{"file": str(path)} | asdict(record) for path, records in found for record in records]
        typer.echo(json.dumps(rows))
    else:
        _show(found)
        count = sum(len(records) for _, records in found)
        typer.echo(f"{count} runs in {len(found)} files below {folder}.")
    if refused:
        raise typer.Exit(1)


def _read(folder: Path) -> "tuple[list[tuple[Path, Sequence[Record]]], bool]":
    """The records of each file, and whether there were files that could not be read."""
    from thinned.lab.frameworks.gather import holds_frameworks
    from thinned.lab.records import Store

    found: list[tuple[Path, Sequence[Record]]] = []
    refused = False
    for path in sorted(folder.rglob("*.jsonl")):
        if not path.is_file() or holds_frameworks(path):  # those have no arms; their own page tells of them
            continue
        try:
            contents = Store(path).read()
        except RecordError as error:  # the others are still worth listing
            print(f"thinned: {error}", file=sys.stderr)
            refused = True
            continue
        tell(path, contents.damaged)
        found.append((path, contents.records))
    return found, refused


def _show(found: "Sequence[tuple[Path, Sequence[Record]]]") -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 80, highlight=False)
    for path, records in found:
        console.print(Text(str(path), style="bold"), soft_wrap=True)
        groups: dict[str, list[Record]] = {}
        for record in records:
            groups.setdefault(_shared(record), []).append(record)
        for heading, group in groups.items():
            console.print(Text(heading), _table(group), "", sep="\n")


def _shared(record: "Record") -> str:
    """All that outcomes depend on, apart from rates and seed."""
    asked, data = record.configuration, record.data
    settings = {
        "width": ",".join(map(str, asked["hidden"])),
        "lr": f"{asked['lr']:g}",
        "batch": asked["batch"],
        "epochs": asked["epochs"],
        "thinned": record.versions["thinned"],
        "torch": record.versions["torch"],
        "law": record.law,
        "trial": record.trial,
    }
    told = "; ".join(f"{name} {value}" for name, value in settings.items())
    return f"{record.study} on {data['name']}, {data['train_examples']} examples ({data['digest']}): {told}"


def _table(records: "Sequence[Record]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("arm", "rates"):
        table.add_column(name, overflow="fold")
    for name in ("seed", "test accuracy, %", "test loss", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for record in records:
        rates = ",".join(f"{rate:g}" for rate in record.configuration["rates"])
        # Text as it is: a name in square brackets is no markup.
        table.add_row(*map(Text, (record.arm, rates, str(record.seed), *_outcome(record))))
    return table


def _outcome(record: "Record") -> tuple[str, str, str]:
    final, seconds = record.final, f"{record.duration_s:.1f}"
    if not final:
        return record.status, "-", seconds
    return f"{final['test_accuracy'] * 100:.2f}", f"{final['test_loss']:.4g}", seconds
