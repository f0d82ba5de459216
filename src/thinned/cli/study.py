"""`thinned study`: ask a question of data."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thinned.cli.options import integers, rates

if TYPE_CHECKING:
    from thinned.lab import Study

Text = str | None


def study(
    name: Annotated[str | None, typer.Argument(help="Which study; see --list.", show_default=False)] = None,
    data: Annotated[
        Text,
        typer.Option(
            help="digits, fashion-mnist, an .npz file or a folder of images. "
            "By default Fashion-MNIST where it lies here already, else digits.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Paired seeds. [default: 5, or 10 for small data]", show_default=False)
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the data. [default: 10, or 100 for small data]", show_default=False),
    ] = None,
    rate: Annotated[
        Text,
        typer.Option(
            "--rates",
            help="Probability of dropping after each hidden layer, or one for all. [default: 0.2,0.5]",
            show_default=False,
        ),
    ] = None,
    width: Annotated[
        Text,
        typer.Option(
            help="Units of each hidden layer, or one number for both. [default: 256,256]", show_default=False
        ),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate. [default: 0.5]", show_default=False)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Examples in a minibatch. [default: 256]", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the records and the report. [default: runs/NAME-DATA]", show_default=False
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Where Fashion-MNIST lies. [default: $THINNED_DATA]", show_default=False),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Runs at once. [default: one a processor]", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the studies and what they ask.")] = False,
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
        rates=None if rate is None else rates(rate),
        hidden=None if width is None else integers(width),
    )
    from thinned.lab import Study

    _run(Study(name, data, seeds, settings, out, data_dir, jobs), chosen=data is not None, as_json=as_json)


def _settings(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _run(asked: "Study", *, chosen: bool, as_json: bool) -> None:
    from thinned.cli.answer import announce, document, show
    from thinned.lab.progress import Silent, Terminal
    from thinned.lab.records import Store
    from thinned.report import gather, write

    data = asked.load()
    announce(data.name, chosen=chosen)
    try:
        with ExitStack() as stack:
            terminal = sys.stderr.isatty()
            result = asked.run(stack.enter_context(Terminal()) if terminal else Silent())
    except KeyboardInterrupt:
        left, store = len(asked.missing()), asked.store()
        print(
            f"thinned: interrupted. {len(asked.trials()) - left} of {len(asked.trials())} runs are saved in "
            f"{store.path}; the same command trains the other {left}.",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    for damage in result.damaged:
        print(f"{result.store}, line {damage.line} is skipped: {damage.reason}.", file=sys.stderr)
    page = None
    if result.records:
        page = write(gather(Store(result.store).read(), result.design), result.store.with_name("report.html"))
    if as_json:
        typer.echo(document(result, data.name, page))
    else:
        show(result, page)
    if result.failures:
        raise typer.Exit(1)


def _list(as_json: bool) -> None:
    import json

    from thinned.lab.studies import STUDIES

    if as_json:
        typer.echo(json.dumps([{"name": each.name, "asks": each.asks} for each in STUDIES.values()]))
    else:
        for each in STUDIES.values():
            typer.echo(f"{each.name}  {each.asks}")
