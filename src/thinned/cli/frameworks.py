"""`thinned study frameworks`: its own options, and how its answer is printed."""

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from thinned.cli import options

if TYPE_CHECKING:
    from thinned.lab.frameworks.equivalence import Equivalence
    from thinned.lab.frameworks.study import FrameworksStudy, Result
    from thinned.lab.frameworks.verdict import Line

NAME = "frameworks"


class WithFrameworks(TyperCommand):
    """`thinned study`, which hands over to `frameworks` where that is the study: its options are others."""

    # Typer's contexts are Click's, or those of its own copy of Click: which, its version decides.
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command that the first word without a dash names."""
        if NAME not in args[:1]:
            return super().make_context(info_name, args, parent, **extra)
        own = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
        own.command()(frameworks)
        command = typer.main.get_command(own)
        return command.make_context(f"{info_name} {NAME}", args[1:], parent, **extra)


def frameworks(
    names: Annotated[
        str | None,
        typer.Option(
            "--frameworks",
            help="Names separated by commas: numpy, torch, jax, flax, tensorflow, keras-torch, keras-jax, "
            "keras-tensorflow, mxnet. [default: all that are installed]",
            show_default=False,
        ),
    ] = None,
    data: options.DataName = None,
    seed: Annotated[int, typer.Option(help="Of weights, order and masks.")] = 0,
    restarts: Annotated[
        int | None,
        typer.Option(help="From weights one unit in the last place away. [default: 16]", show_default=False),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="In float32. [default: 10, or 100 for small data]", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the records and the report. [default: runs/frameworks-DATA]", show_default=False
        ),
    ] = None,
    data_dir: options.DataFolder = None,
    mxnet_python: Annotated[
        Path | None,
        typer.Option(
            help="The interpreter that has MXNet, which lives in an environment of its own. "
            "[default: .venv-mxnet/bin/python, here or beside the checkout]",
            show_default=False,
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Train one network from one seed in every framework, and compare masks and losses.

    All begin with the same weights and see the same minibatches. Every mask is compared with the law, bit by bit,
    in the network itself. In float64 the losses of 200 steps must agree to 1e-8, in float32 those of 20 steps to
    1e-5; at the end of training in float32 a test of equivalence decides. Interrupted at any moment, the same
    command continues. Small data means fewer than 10,000 training examples.

    Exit code 1 where a mask differs or a bound does not hold.

    Example: `thinned study frameworks --frameworks torch,jax --data digits`
    """
    from thinned.lab.frameworks.equivalence import RESTARTS
    from thinned.lab.frameworks.study import FrameworksStudy

    asked = FrameworksStudy(
        None if names is None else [name.strip() for name in names.split(",")],
        data, seed, RESTARTS if restarts is None else restarts, epochs, out, data_dir, mxnet_python,
    )  # fmt: skip
    _run(asked, chosen=data is not None, as_json=as_json)


def _run(asked: "FrameworksStudy", *, chosen: bool, as_json: bool) -> None:
    from thinned.cli.answer import announce
    from thinned.report.frameworks import write

    announce(asked.load().name, chosen=chosen)
    result = _followed(asked)
    page = write(result, asked.store().path.with_name("report.html")) if result.lines else None
    if as_json:
        typer.echo(json.dumps(document(result, page), indent=2, allow_nan=False))
    else:
        _show(result, page)
    if not result.holds:
        raise typer.Exit(1)


def _followed(asked: "FrameworksStudy") -> "Result":
    from thinned.lab.frameworks.progress import Silent, Terminal

    try:
        with Terminal() if sys.stderr.isatty() else nullcontext(Silent()) as watch:
            return asked.run(watch)
    except KeyboardInterrupt:
        print(
            f"thinned: interrupted. What is finished is saved in {asked.store().path}; the same command continues.",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None


def _show(result: "Result", page: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from thinned.lab.frameworks.verdict import compared_steps

    typer.echo(f"{result.answer['headline']}. {result.answer['sentence']}\n")
    table = Table(box=None, pad_edge=False, header_style="bold")
    steps = compared_steps(result.lines[0].runs) if result.lines else {}
    compared = (f"{name},\n{count} steps" for name, count in steps.items())
    heads = ("framework", "version", "masks\nchecked", "mismatches", *compared, "equivalent\nin the end")
    for head in heads:
        table.add_column(head, justify="left" if head in heads[:2] else "right")
    for line in result.lines:
        table.add_row(*map(Text, cells(line)))
    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)
    typer.echo(f"\nLosses: the largest relative difference from {cells(result.lines[0])[0]}'s."
               if result.lines else "")  # fmt: skip
    for each in result.absent:
        typer.echo(f"{each.framework.title} took no part: {each.reason}")
    for failure in result.failures:
        typer.echo(
            f"{failure.title}, {failure.setting.dtype}, restart {failure.setting.restart}: {failure.reason}"
        )
    typer.echo(f"{result.new} trainings made, {result.reused} taken from the records in {result.store}")
    if page is not None:
        typer.echo(f"Report: {page.resolve()}")


def cells(line: "Line") -> Sequence[str]:
    """A row of the table."""
    found = line.runs.found
    return (
        found.framework.title,
        found.versions[found.framework.packages[0]],
        f"{line.masks:,}",
        f"{line.mismatches:,}" if line.same_masks or line.mismatches else "chain",
        "-" if line.float64 is None else f"{line.float64:.1e}",
        "-" if line.float32 is None else f"{line.float32:.1e}",
        "reference" if line.loss is None else "yes" if line.equivalent else "not shown",
    )


def document(result: "Result", page: Path | None) -> dict[str, Any]:
    """The same as plain values for one JSON document."""
    from thinned.lab.frameworks import verdict

    steps = verdict.compared_steps(result.lines[0].runs) if result.lines else {}

    return {
        "study": NAME,
        "data": result.data,
        "holds": result.holds,
        **result.answer,
        "bounds": {
            "float64": {"relative": verdict.FLOAT64, "steps": steps.get("float64", verdict.STEPS64)},
            "float32": {"relative": verdict.FLOAT32, "steps": steps.get("float32", verdict.STEPS32)},
        },
        "frameworks": [_line(line) for line in result.lines],
        "absent": [{"framework": each.framework.name, "reason": each.reason} for each in result.absent],
        "failures": [
            {"framework": each.title, "setting": each.setting.as_json(), "reason": each.reason}
            for each in result.failures
        ],
        "runs": {"trained": result.new, "reused": result.reused},
        "records": str(result.store.resolve()),
        "report": None if page is None else str(page.resolve()),
    }


def _line(line: "Line") -> dict[str, Any]:
    found = line.runs.found
    return {
        "framework": found.framework.name,
        "versions": dict(found.versions),
        "masks": line.masks,
        "elements": line.elements,
        "mismatches": line.mismatches,
        "chain": line.runs.exact.outcome["ledger"]["chain"],
        "chains_are_the_law's": line.chains,
        "float64": _finite(line.float64),
        "float32": _finite(line.float32),
        "test_loss": _equivalence(line.loss),
        "test_accuracy": _equivalence(line.accuracy),
        "holds": line.holds,
    }


def _finite(value: float | None) -> float | None:
    return None if value in {None, float("inf")} else value


def _equivalence(found: "Equivalence | None") -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "level": 0.9,
        "margin": found.margin,
        "p": found.p,
        "n": found.n,
        "holds": found.holds,
    }
