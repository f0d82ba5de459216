"""`thinned tune`: the best method and rate for a model, and what they are worth on fresh seeds."""

import json
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thinned.cli import options

FIGURES = (
    "validation, in the search",
    "validation, on fresh seeds",
    "luck of the search's seeds",
    "gain over none in the search",
    "gain in validation, fresh seeds",
    "gain in the test, fresh seeds",
)

if TYPE_CHECKING:
    from thinned.lab.confirm import Tuned, Tuning
    from thinned.lab.own import TorchTask


def tune(
    model: Annotated[
        str | None,
        typer.Option(
            help="Your own model: path/to/file.py:make, a function that returns a fresh nn.Module. "
            "[default: the chapter's network of 256 and 256 units]",
            show_default=False,
        ),
    ] = None,
    data: options.DataName = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Separated by commas, of Dropout, GaussianDropout, UniformDropout, AlphaDropout, BatchDropout. "
            "[default: all]",
            show_default=False,
        ),
    ] = None,
    objectives: Annotated[
        str,
        typer.Option(help="accuracy, loss, or both, separated by a comma: then a front is found and judged."),
    ] = "accuracy",
    trials: Annotated[int, typer.Option(help="Of the search.")] = 30,
    tuning_seeds: Annotated[int, typer.Option(help="At which each trial is trained.")] = 2,
    seeds: Annotated[int, typer.Option(help="Fresh ones, at which what was found is judged.")] = 10,
    epochs: Annotated[int, typer.Option(help="Passes over the data.")] = 10,
    lr: Annotated[float, typer.Option(help="Adam's learning rate.")] = 1e-3,
    batch: Annotated[int, typer.Option(help="Examples in a minibatch.")] = 64,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the journal, records and reports. [default: runs/tune-DATA]", show_default=False
        ),
    ] = None,
    data_dir: options.DataFolder = None,
    jobs: options.Jobs = None,
    as_json: options.AsJson = False,
) -> None:
    """Search the best method and rate on a validation part; judge them on fresh seeds, on the test set.

    The best of many scores is lucky: how much of it was luck is measured and printed. Interrupted at any moment,
    the same command continues.

    Example: `thinned tune --model mymodel.py:make --data mydata.npz --trials 30`
    """
    training = {"epochs": epochs, "lr": lr, "batch": batch}
    task = _task(model, data, data_dir, training)
    from thinned.lab.confirm import Tuning
    from thinned.lab.user_model import METHODS

    _run(
        Tuning(
            task,
            objectives=tuple(objectives.split(",")),
            methods=METHODS if methods is None else tuple(methods.split(",")),
            trials=trials,
            tuning_seeds=tuning_seeds,
            seeds=seeds,
            out=out,
            jobs=jobs,
        ),
        as_json=as_json,
    )


def _task(
    model: str | None, data: str | None, data_dir: Path | None, training: dict[str, Any]
) -> "TorchTask":
    from thinned.cli.own import user_task
    from thinned.lab.chapter import perceptron
    from thinned.lab.data import default_name, load
    from thinned.lab.user_model import task_on

    if model is not None:
        return user_task(model, data, data_dir=data_dir, training=training)
    from thinned.cli.answer import announce

    folder = None if data_dir is None else str(data_dir)
    found = load(default_name(folder) if data is None else data, folder)
    announce(found.name, chosen=data is not None)
    make = partial(perceptron, features=found.train_x[0].size, classes=len(found.classes))
    return task_on(make, found, named="the chapter's network", **training)


def _run(asked: "Tuning", *, as_json: bool) -> None:
    from thinned.cli.answer import written
    from thinned.lab.progress import Silent, Terminal

    try:
        with Terminal() if sys.stderr.isatty() else nullcontext(Silent()) as watch:
            found = asked.run(watch)
    except KeyboardInterrupt:
        print(
            f"thinned: interrupted. What is done is saved in {asked.folder}; the same command continues.",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    pages = [page for page in (written(found.validation), written(found.test)) if page is not None]
    if as_json:
        document = found.as_json() | {"reports": [str(page.resolve()) for page in pages]}
        typer.echo(json.dumps(document, indent=2, allow_nan=False))
    else:
        _show(found, asked, pages)
    if found.validation.failures or found.test.failures:
        raise typer.Exit(1)


def _show(found: "Tuned", asked: "Tuning", pages: list[Path]) -> None:
    """The search's trials in a line, a table of each winner, and the sentence."""
    from rich.console import Console

    counts = found.found
    typer.echo(
        f"{counts.finished} trials finished, {counts.pruned} were pruned, {counts.failed} failed, on a validation "
        f"part of {asked.task.name}."
    )
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(_table(found))
    typer.echo(f"\n{found.sentence}\n")
    typer.echo(f"Journal of the search and records: {asked.folder}")
    for page in pages:
        typer.echo(f"Report: {page.resolve()}")


def _table(found: "Tuned") -> Any:
    """A row for each figure, a column for each winner and objective."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    columns = []
    for arm, judged in found.judged.items():
        for objective in found.objectives:
            metric, each = objective.metric, judged[objective.name]
            table.add_column(f"{arm}\n{metric.label} {metric.unit}".rstrip(), justify="right")
            rest = (each.fresh, each.optimism, each.fresh_gain, each.test_gain)
            shown = [
                "-" if interval is None else metric.show_interval(interval, signed=k > 0)
                for k, interval in enumerate(rest)
            ]
            gain = metric.show(each.tuned_gain, signed=True)
            columns.append([metric.show(each.tuned), *shown[:2], gain, *shown[2:]])
    for head, *row in zip(FIGURES, *columns, strict=True):
        table.add_row(head, *row)
    return table
