"""How the answer of a study is printed: for people, and as one JSON document."""

import json
import sys
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from thinned.lab.comparison import METRICS, Comparison
from thinned.lab.progress import so_far
from thinned.lab.statistics import Interval
from thinned.lab.study import Result


def announce(data: str, *, chosen: bool) -> None:
    """Say which data is used where the user did not."""
    if chosen:
        return
    why = (
        "Fashion-MNIST was found here; this study uses it."
        if data == "fashion-mnist"
        else "Fashion-MNIST was not found here; this study uses digits. `--data fashion-mnist` fetches it."
    )
    print(why, file=sys.stderr)


def show(result: Result, page: Path | None) -> None:
    """The table, the sentence, and where everything lies."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(so_far(result.comparison))
    typer.echo(f"\n{result.sentence}\n")
    typer.echo(f"{result.new} runs trained, {result.reused} taken from the records in {result.store}")
    extra = len(result.records) - result.new - result.reused
    if extra > 0:
        typer.echo(f"{extra} more runs of this design were in the records, and count.")
    if result.failures:
        typer.echo(f"{len(result.failures)} runs failed; the same command tries them again.")
    if page is not None:
        typer.echo(f"Report: {page.resolve()}")


def document(result: Result, data: str, page: Path | None) -> str:
    """The same as one JSON document; every figure in the unit that it names."""
    comparison = result.comparison
    content = {
        "study": result.design.question.name,
        "asks": result.design.question.asks,
        "data": data,
        "verdict": comparison.verdict,
        "sentence": result.sentence,
        "configuration": result.design.base.as_json(),
        "arms": {
            arm.name: {"finished": arm.finished, "diverged": arm.diverged} | _intervals(arm.means)
            for arm in (comparison.control, comparison.treated)
        },
        "difference": {"of": f"{comparison.treated.name} minus {comparison.control.name}"}
        | _intervals(comparison.differences),
        "pairs": _pairs(comparison),
        "runs": {"trained": result.new, "reused": result.reused, "failed": len(result.failures)},
        "damaged_lines": [damage.line for damage in result.damaged],
        "versions": dict(result.design.versions),
        "records": str(result.store.resolve()),
        "report": None if page is None else str(page.resolve()),
    }
    return json.dumps(content, indent=2, allow_nan=False)


def _intervals(found: dict[str, Interval | None]) -> dict[str, Any]:
    return {metric.name: _interval(found[metric.name], metric.unit) for metric in METRICS}


def _interval(interval: Interval | None, unit: str) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {
        "unit": unit,
        "mean": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "level": 0.95,
        "n": interval.n,
        "detectable": interval.detectable,
    }


def _pairs(comparison: Comparison) -> list[dict[str, Any]]:
    return [
        {"seed": pair.seed}
        | {
            metric.name: {
                comparison.control.name: metric.of(pair.control),
                comparison.treated.name: metric.of(pair.treated),
                "difference": pair.difference(metric),
            }
            for metric in METRICS
        }
        for pair in comparison.pairs
    ]
