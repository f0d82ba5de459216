"""How the answer of a study is printed: for people, and as one JSON document."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from thinned.errors import RecordError
from thinned.lab.comparison import Comparison, Metric, compare
from thinned.lab.own_study import metrics_of
from thinned.lab.progress import so_far
from thinned.lab.reason import last_line
from thinned.lab.records import Store
from thinned.lab.statistics import Interval
from thinned.lab.study import Result, Study
from thinned.lab.wording import count
from thinned.report import gather, index, write_report
from thinned.report.facts import spans
from thinned.report.words import spoken


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


def interrupted(asked: Study) -> None:
    """Say what is saved, and how to go on."""
    left, needed, store = len(asked.missing()), len(asked.trials()), asked.store()
    print(
        f"thinned: interrupted. {needed - left} of {needed} runs are saved in {store.path}; the same command "
        f"trains the other {left}.",
        file=sys.stderr,
    )


def written(result: Result) -> Path | None:
    """The page of a study, beside its records; None where there are none, or where it cannot be written.

    A full disk is told: the answer is worth printing without a page, which the records can make at any time.
    """
    if not result.records:
        return None
    try:
        return write_report(result)
    except RecordError as error:
        again = (
            f"`thinned report {result.store.parent}` makes the page from the records when it can be written."
        )
        print(f"thinned: {error} {again}", file=sys.stderr)
        return None


def complete(result: Result, page: Path | None) -> bool:
    """Whether every run has an outcome, and what was found a page."""
    return not result.failures and (page is not None or not result.records)


def indexed(results: Sequence[Result]) -> Path | None:
    """The page above those of several studies, each of which has its own; None where there are none."""
    pages = [
        (each.store.with_name("report.html"), gather(Store(each.store).read(), each.design))
        for each in results
        if each.records
    ]
    if not pages:
        return None
    try:
        return index.write(pages, Path(os.path.commonpath([page.parent.parent for page, _ in pages])))
    except RecordError as error:  # each study has told the same of its own page
        print(f"thinned: {error}", file=sys.stderr)
        return None


def show(result: Result, page: Path | None) -> None:
    """The table, the sentence, and where everything lies."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(so_far(result.design, result.records))
    if getattr(result.design.base, "until", None) is not None:
        typer.echo("(Each interval of the table is that of a study that was not looked at before.)")
    typer.echo(f"\n{spoken(result.answer)}\n")
    typer.echo(f"{result.new} runs trained, {result.reused} taken from the records in {result.store}")
    extra = len({record.key for record in result.records}) - result.new - result.reused
    if extra > 0:
        typer.echo(f"{extra} more runs of this design were in the records, and count.")
    if result.failures:
        typer.echo(failed(result))
    if page is not None:
        typer.echo(f"Report: {page.resolve()}")


MOST_FAILURES = 5
"""Lines about them; more are counted."""


def failed(result: Result) -> str:
    """Which runs have no record, and why, in a line for each arm and reason."""
    groups: dict[tuple[str, str], list[int]] = {}
    for each in result.failures:
        groups.setdefault((each.trial.arm, last_line(each.reason)), []).append(each.trial.seed)
    lines = [
        f"  {arm}, {'seed' if len(seeds) == 1 else 'seeds'} {spans(seeds)}: {why}"
        for (arm, why), seeds in list(groups.items())[:MOST_FAILURES]
    ]
    lines += [f"  and {sum(map(len, list(groups.values())[MOST_FAILURES:]))} more"] * (
        len(groups) > MOST_FAILURES
    )
    many = len(result.failures)
    head = f"{count(many, 'run')} failed, and the same command tries {'it' if many == 1 else 'them'} again:"
    return "\n".join([head, *lines])


def document(result: Result, data: str, page: Path | None) -> dict[str, Any]:
    """The same as plain values for a JSON document; every figure in the unit that it names."""
    design = result.design
    found = {
        "study": design.question.name,
        "asks": design.question.asks,
        "data": data,
        "scope": str(design.scope),
        "configuration": design.base.as_json(),
        **result.answer.as_json(),
        **_arms(result),
        "runs": {"trained": result.new, "reused": result.reused, "failed": len(result.failures)},
        "failures": [
            {"arm": each.trial.arm, "seed": each.trial.seed, "reason": each.reason}
            for each in result.failures
        ],
        "damaged_lines": [damage.line for damage in result.damaged],
        "versions": dict(design.versions),
        "records": str(result.store.resolve()),
        "report": None if page is None else str(page.resolve()),
    }
    return found


def _arms(result: Result) -> dict[str, Any]:
    """What each arm reached, and its difference from the first, paired by seed."""
    control, *others = list(dict.fromkeys(record.arm for record in result.records)) or [""]
    metrics = metrics_of(result.design.base)
    pairs = [compare(result.records, control, other, metrics) for other in others]
    arms = [compare(result.records, control, control, metrics).control, *(pair.treated for pair in pairs)]
    found: dict[str, Any] = {
        "arms": {
            arm.name: {"finished": arm.finished, "diverged": arm.diverged} | _intervals(arm.means, metrics)
            for arm in arms
            if arm.name
        },
        "differences": [
            {"of": f"{pair.treated.name} minus {control}"} | _intervals(pair.differences, metrics)
            for pair in pairs
        ],
    }
    if len(pairs) == 1:
        found |= {"difference": found["differences"][0], "pairs": _pairs(pairs[0], metrics)}
    return found


def _intervals(found: dict[str, Interval | None], metrics: Sequence[Metric]) -> dict[str, Any]:
    return {metric.name: _interval(found[metric.name], metric.unit) for metric in metrics}


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
        "p": interval.p,
        "detectable": interval.detectable,
    }


def _pairs(comparison: Comparison, metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    return [
        {"seed": pair.seed}
        | {
            metric.name: {
                comparison.control.name: metric.of(pair.control),
                comparison.treated.name: metric.of(pair.treated),
                "difference": pair.difference(metric),
            }
            for metric in metrics
            if pair.has(metric)
        }
        for pair in comparison.pairs
    ]
