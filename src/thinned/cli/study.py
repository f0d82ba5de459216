"""`thinned study`: ask a question of data."""

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import typer

from thinned.cli import options
from thinned.cli.damage import tell

if TYPE_CHECKING:
    from thinned.lab import Study
    from thinned.lab.study import Result


def study(
    name: options.Name = None,
    data: options.DataName = None,
    seeds: options.Seeds = None,
    epochs: options.Epochs = None,
    rate: options.Rates = None,
    width: options.Width = None,
    lr: options.LearningRate = None,
    batch: options.Batch = None,
    out: options.Out = None,
    data_dir: options.DataFolder = None,
    jobs: options.Jobs = None,
    quick: options.Quick = False,
    full: options.Full = False,
    stacked: options.Stacked = None,
    device: options.Device = None,
    ray: options.Ray = None,
    as_json: options.AsJson = False,
    listing: options.Listing = False,
) -> None:
    """Train with paired seeds, record every run, and answer a question with intervals.

    --quick asks on digits, in about a minute; --full on Fashion-MNIST, in earnest; --data, --seeds and the settings
    change that. Without either, small data, of fewer than 10,000 training examples, is asked quickly. `all` asks
    every question, one after the other. Interrupted at any moment, the same command continues.

    Example: `thinned study dropout --data digits --seeds 10`
    """
    if listing:
        _list(as_json)
        return
    if quick and full:
        raise typer.BadParameter("expected --quick or --full; got both.")
    if name is None:
        raise typer.BadParameter("expected the name of a study; got none. `thinned study --list` has them.")
    settings = _settings(
        epochs=epochs,
        lr=lr,
        batch=batch,
        rates=None if rate is None else options.rates(rate),
        hidden=None if width is None else options.integers(width),
    )
    from thinned.lab import Study

    scope = "quick" if quick else "full" if full else None
    asked: dict[str, Any] = {
        "data": data, "seeds": seeds, "settings": settings, "data_dir": data_dir, "jobs": jobs, "scope": scope,
        "stacked": stacked or "auto", "device": device or "cpu", "ray": ray,
    }  # fmt: skip
    if name == ALL:
        from thinned.cli.all import ask_all

        ask_all(lambda name, folder: Study(name, out=folder, **asked), out, as_json=as_json)
        return
    chosen = data is not None or scope is not None
    _run(Study(name, out=out, **asked), chosen=chosen, as_json=as_json)


ALL = "all"
"""No study has this name."""


def _settings(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _run(asked: "Study", *, chosen: bool, as_json: bool) -> None:
    import json

    from thinned.cli.answer import announce, document, show, written

    data = asked.load()
    announce(data.name, chosen=chosen)
    result = _followed(asked)
    tell(result.store, result.damaged)
    page = written(result)
    if as_json:
        typer.echo(json.dumps(document(result, data.name, page), indent=2, allow_nan=False))
    else:
        show(result, page)
    if result.failures:
        raise typer.Exit(1)


def _followed(asked: "Study") -> "Result":
    """Run it before the user's eyes; when interrupted, say what is saved."""
    from thinned.cli.answer import interrupted
    from thinned.lab.progress import Silent, Terminal

    try:
        with Terminal() if sys.stderr.isatty() else nullcontext(Silent()) as watch:
            return asked.run(watch)
    except KeyboardInterrupt:
        interrupted(asked)
        raise typer.Exit(130) from None


def _list(as_json: bool) -> None:
    import json

    from rich.console import Console
    from rich.table import Table

    from thinned.lab.frameworks.study import ASKS
    from thinned.lab.studies import STUDIES

    listed = {name: question.asks for name, question in STUDIES.items()} | {"frameworks": ASKS}
    if as_json:
        typer.echo(json.dumps([{"name": name, "asks": asks} for name, asks in listed.items()]))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, asks in listed.items():
        table.add_row(name, asks)
    table.add_row(ALL, "Every one of these but frameworks, one after the other.")
    Console(highlight=False).print(table)
