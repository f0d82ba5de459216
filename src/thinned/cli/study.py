"""`thinned study`: ask a question of data."""

import math
import sys
from contextlib import nullcontext
from pathlib import Path
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
    model: options.Model = None,
    difference: options.Difference = None,
    most_seeds: options.MostSeeds = None,
    as_json: options.AsJson = False,
    listing: options.Listing = False,
) -> None:
    """Train with paired seeds, record every run, and answer a question with intervals.

    --quick asks on digits, in about a minute; --full on Fashion-MNIST, in earnest; --data, --seeds and the settings
    change that. Without either, small data, of fewer than 10,000 training examples, is asked quickly. `all` asks
    every question, one after the other. Interrupted at any moment, the same command continues.

    --model asks which rate suits a model of your own. --seeds auto adds seeds until each difference is shown, or
    shown to be smaller than --difference.

    Example: `thinned study dropout --data digits --seeds 10`

    Example: `thinned study --model mymodel.py:make --data mydata.npz --rates 0,0.1,0.3,0.5`
    """
    if listing:
        _list(as_json)
        return
    if quick and full:
        raise typer.BadParameter("expected --quick or --full; got both.")
    wanted = _seeds(seeds, difference, most_seeds)
    means: dict[str, Any] = {
        "seeds": wanted, "jobs": jobs, "stacked": stacked or "auto", "device": device or "cpu", "ray": ray,
    }  # fmt: skip
    if model is not None:
        if name is not None or width is not None or quick or full:
            raise typer.BadParameter(
                "expected --model without a study's name, --width, --quick or --full; its layers are your own."
            )
        from thinned.cli.own import rates_of_own, user_task

        task = user_task(
            model, data, data_dir=data_dir, training=_settings(epochs=epochs, lr=lr, batch=batch)
        )
        given = None if rate is None else options.rates(rate)
        _run(rates_of_own(task, model, given, out=out, **means), difference, chosen=True, as_json=as_json)
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
    scope = "quick" if quick else "full" if full else None
    asked = means | {"data": data, "settings": settings, "data_dir": data_dir, "scope": scope}
    chosen = data is not None or scope is not None
    if name == ALL:
        if difference is not None:
            raise typer.BadParameter("expected --difference beside one study; got it beside all.")
        from thinned.cli.all import ask_all
        from thinned.lab import Study

        ask_all(lambda name, folder: Study(name, out=folder, **asked), out, as_json=as_json)
        return
    _run(_named(name, out, asked), difference, chosen=chosen, as_json=as_json)


def _named(name: str, out: Path | None, asked: dict[str, Any]) -> "Study":
    """A study by its name; with seeds until it is decided, its arms as a question of one's own."""
    from thinned.lab import Study
    from thinned.lab.own_arms import as_own
    from thinned.lab.sequential import Until

    until = asked["seeds"]
    if not isinstance(until, Until):
        return Study(name, out=out, **asked)
    return as_own(Study(name, out=out, **(asked | {"seeds": None})), until)


def _seeds(text: str | None, difference: float | None, most: int | None) -> Any:
    """How many seeds, or until when.

    Raises:
        typer.BadParameter: auto without a difference, or a last look without auto.
    """
    seeds = options.seeds(text)
    if difference is not None and not 0 < difference < math.inf:
        raise typer.BadParameter(
            f"expected --difference above 0, the smallest that matters, in points of accuracy; got {difference:g}."
        )
    if seeds != "auto":
        if most is not None:
            raise typer.BadParameter("expected --most-seeds beside --seeds auto; got it without.")
        return seeds
    if difference is None:
        raise typer.BadParameter(
            "expected --difference beside --seeds auto: the smallest that matters, in points of accuracy."
        )
    from thinned.lab.sequential import Until

    return Until(difference) if most is None else Until(difference, most)


ALL = "all"
"""No study has this name."""


def _settings(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _run(asked: "Study", difference: float | None, *, chosen: bool, as_json: bool) -> None:
    import json

    from thinned.cli.answer import announce, complete, document, show, written
    from thinned.cli.needed import needed, tell_needed

    data = asked.load()
    announce(data.name, chosen=chosen)
    result = _followed(asked)
    tell(result.store, result.damaged)
    page = written(result)
    wanted = [] if difference is None else needed(result, difference)
    if as_json:
        more = {"seeds_needed": wanted} if wanted else {}
        typer.echo(json.dumps(document(result, data.name, page) | more, indent=2, allow_nan=False))
    else:
        show(result, page)
        tell_needed(wanted)
    if not complete(result, page):
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
