"""`thinned runs`: what the records hold, and how it leaves them."""

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thinned.cli.damage import tell
from thinned.errors import RecordError

if TYPE_CHECKING:
    from rich.table import Table

    from thinned.lab.records import Record
    from thinned.report.selection import Selection

Found = list[tuple[Path, "Sequence[Record]"]]
Names = list[str] | None


def _names(what: str) -> Any:
    return typer.Option(
        help=f"Only of {what}; * stands for any letters. Repeat it for several.", show_default=False
    )


def runs(
    folder: Annotated[Path, typer.Argument(help="Of one study, or of many.")] = Path("runs"),
    study: Annotated[Names, _names("this study")] = None,
    arm: Annotated[Names, _names("this arm")] = None,
    data: Annotated[Names, _names("this data")] = None,
    status: Annotated[Names, _names("this status: finished, diverged")] = None,
    seed: Annotated[
        str | None, typer.Option(help="Only of these seeds, such as 3 or 0-9,12.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only those begun since a date, a time, or so long ago: 24h, 7d.", show_default=False
        ),
    ] = None,
    export: Annotated[
        list[Path] | None,
        typer.Option(help="Write one row a run into this .parquet or .csv. Repeatable.", show_default=False),
    ] = None,
    curves: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write one row an epoch into this .parquet or .csv. Repeatable.", show_default=False
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(help="Write one TensorBoard event file a run below this folder.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List the recorded runs in a folder and below it, or write them as tables or TensorBoard's events.

    Runs that share data, settings and versions stand together under these; --json and --export have everything.

    Example: `thinned runs runs --study dropout --since 7d --export runs.parquet`
    """
    if not folder.is_dir():
        raise RecordError(
            f"expected a folder of records; got {str(folder)!r}, which is none. `thinned study` makes one."
        )
    from thinned.report import selection as select

    selection = select.Selection(
        study=tuple(study or ()),
        arm=tuple(arm or ()),
        data=tuple(data or ()),
        status=tuple(status or ()),
        seed=frozenset() if seed is None else select.seeds(seed),
        since=None if since is None else select.since(since, datetime.now().astimezone()),
    )
    found, refused = _read(folder, selection)
    count = sum(len(records) for _, records in found)
    written = _write(found, export or [], curves or [], tensorboard)
    if as_json:
        from thinned.report.export import document

        typer.echo(document(found))
    elif not written:
        _show(found)
        typer.echo(f"{count} runs in {len(found)} files below {folder}.")
    for line in written:
        typer.echo(line, err=as_json)
    if refused:
        raise typer.Exit(1)


def _read(folder: Path, selection: "Selection") -> tuple[Found, bool]:
    """The records of each file that has some, and whether there were files that could not be read."""
    from thinned.lab.frameworks.gather import holds_frameworks
    from thinned.lab.records import Store

    found: Found = []
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
        if records := selection.of(contents.records):
            found.append((path, records))
    return found, refused


def _write(found: Found, tables: Sequence[Path], curves: Sequence[Path], events: Path | None) -> list[str]:
    """Write what was asked for; a line about each."""
    from thinned.report import events as board
    from thinned.report import export

    # One run may lie in several files: a folder copied from another machine, or findings beside their source.
    records = list({record.key: record for _, each in reversed(found) for record in reversed(each)}.values())[
        ::-1
    ]
    said = []
    for paths, rows, unit in ((tables, export.run_rows, "runs"), (curves, export.epoch_rows, "epochs")):
        for path in paths:
            content = rows(records)
            said.append(f"{len(content)} {unit} written to {export.write(content, path)}")
    if events is not None:
        count = len(board.write(records, events))
        said.append(f"{count} runs written below {events}; `tensorboard --logdir {events}` shows them.")
    return said


def _show(found: Found) -> None:
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
    """All that outcomes depend on, apart from an arm's rates, or settings of its own, and the seed."""
    asked, data = dict(record.configuration), record.data
    asked.pop("rates", asked.pop("settings", None))
    told = {
        **{WORDS.get(name, name): _short(asked.pop(name)) for name in WORDS if name in asked},
        **{name: _short(asked[name]) for name in sorted(asked)},
        "thinned": record.versions["thinned"],
        "torch": record.versions["torch"],
        "law": record.law,
        "trial": record.trial,
    }
    settings = "; ".join(f"{name} {value}" for name, value in told.items())
    return (
        f"{record.study} on {data['name']}, {data['train_examples']} examples ({data['digest']}): {settings}"
    )


WORDS = {"hidden": "width", "lr": "lr", "batch": "batch", "epochs": "epochs"}
"""The settings that are told first, as the command line calls them."""


def _short(value: object) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={_short(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ",".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(records: "Sequence[Record]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    own = any("rates" not in record.configuration for record in records)
    table = Table(box=None, pad_edge=False)
    for name in ("arm", "settings" if own else "rates"):
        table.add_column(name, overflow="fold")
    metrics = _metrics(records)
    heads = (f"{name.replace('_', ' ')}{', %' * (name in SHARES)}" for name in metrics)
    for name in ("seed", *heads, "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for record in records:
        asked = record.configuration
        varied = _short(asked["rates"] if "rates" in asked else asked["settings"])
        seconds = f"{record.duration_s:.1f}"
        # Text as it is: a name in square brackets is no markup.
        table.add_row(*map(Text, (record.arm, varied, str(record.seed), *_outcome(record, metrics), seconds)))
    return table


SHARES = ("test_accuracy", "validation_accuracy")
"""Metrics that are told in per cent; what a metric of the user's own counts in is not known."""

MOST_METRICS = 4
"""Columns of metrics at most; --export has the others."""


def _metrics(records: "Sequence[Record]") -> list[str]:
    """Accuracy and loss of what is held out; of a task of the user's own, what it decides by, and all others."""
    held_out = "validation" if any("validation_accuracy" in record.final for record in records) else "test"
    usual = [f"{held_out}_accuracy", f"{held_out}_loss"]
    if "task" not in records[0].configuration:
        return usual
    named = dict.fromkeys(name for record in records for name in record.final if name.startswith("test_"))
    decides = str(records[0].design.get("decides", usual[0]))
    order = dict.fromkeys([decides, *(name for name in named if name not in usual), *usual])
    return [name for name in order if name in named][:MOST_METRICS] or [decides]


def _outcome(record: "Record", metrics: "Sequence[str]") -> "Iterator[str]":
    """Each metric; a run that has none says why in the first."""
    for name in metrics:
        value = record.final.get(name)
        if value is None:
            yield record.status if not record.final and name == metrics[0] else "-"
        else:
            yield f"{value * 100:.2f}" if name in SHARES else f"{value:.4g}"
