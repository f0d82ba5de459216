"""`thinned runs`: what the records hold."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from thinned.errors import RecordError


def runs(
    folder: Annotated[Path, typer.Argument(help="Of one study, or of many.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the recorded runs in a folder and below it.

    Example: `thinned runs runs/dropout-digits`
    """
    from thinned.lab.records import Store

    if not folder.is_dir():
        raise RecordError(
            f"expected a folder of records; got {str(folder)!r}, which is none. `thinned study` makes one."
        )
    stores = {path: Store(path).read() for path in sorted(folder.rglob("*.jsonl"))}
    for path, contents in stores.items():
        for damage in contents.damaged:
            print(f"{path}, line {damage.line} is skipped: {damage.reason}.", file=sys.stderr)
    found = [(path, record) for path, contents in stores.items() for record in contents.records]
    if as_json:
        typer.echo(json.dumps([{"file": str(path)} | asdict(record) for path, record in found]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("file", "study", "arm"):
        table.add_column(name, overflow="fold")
    for name in ("seed", "epochs", "rates", "test accuracy, %", "test loss", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("started")
    for path, record in found:
        final = record.final
        table.add_row(
            str(path),
            record.study,
            record.arm,
            str(record.seed),
            str(record.configuration["epochs"]),
            ",".join(f"{rate:g}" for rate in record.configuration["rates"]),
            f"{final['test_accuracy'] * 100:.2f}" if final else record.status,
            f"{final['test_loss']:.4f}" if final else "-",
            f"{record.duration_s:.1f}",
            record.started,
        )
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)
    typer.echo(f"{len(found)} runs in {len(stores)} files below {folder}.")
