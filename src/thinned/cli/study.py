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
    as_json: options.AsJson = False,
    listing: options.Listing = False,
) -> None:
    """Train with paired seeds, record every run, and answer a question with intervals.

    Interrupted at any moment, the same command continues. Small data means fewer than 10,000 training
    examples.

    Example: `thinned study dropout --data digits --seeds 10`
    """
    if listing:
        _list(as_json)
        return
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

    _run(Study(name, data, seeds, settings, out, data_dir, jobs), chosen=data is not None, as_json=as_json)


def _settings(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _run(asked: "Study", *, chosen: bool, as_json: bool) -> None:
    from thinned.cli.answer import announce, document, show
    from thinned.lab.records import Store
    from thinned.report import gather, write

    data = asked.load()
    announce(data.name, chosen=chosen)
    result = _followed(asked)
    tell(result.store, result.damaged)
    page = None
    if result.records:
        page = write(gather(Store(result.store).read(), result.design), result.store.with_name("report.html"))
    if as_json:
        typer.echo(document(result, data.name, page))
    else:
        show(result, page)
    if result.failures:
        raise typer.Exit(1)


def _followed(asked: "Study") -> "Result":
    """Run it before the user's eyes; when interrupted, say what is saved."""
    from thinned.lab.progress import Silent, Terminal

    try:
        with Terminal() if sys.stderr.isatty() else nullcontext(Silent()) as watch:
            return asked.run(watch)
    except KeyboardInterrupt:
        left, store = len(asked.missing()), asked.store()
        print(
            f"thinned: interrupted. {len(asked.trials()) - left} of {len(asked.trials())} runs are saved in "
            f"{store.path}; the same command trains the other {left}.",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None


def _list(as_json: bool) -> None:
    import json

    from thinned.lab.frameworks.study import ASKS
    from thinned.lab.studies import STUDIES

    listed = {name: question.asks for name, question in STUDIES.items()} | {"frameworks": ASKS}
    if as_json:
        typer.echo(json.dumps([{"name": name, "asks": asks} for name, asks in listed.items()]))
    else:
        for name, asks in listed.items():
            typer.echo(f"{name}  {asks}")
