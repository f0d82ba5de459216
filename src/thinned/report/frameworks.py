"""The page of `thinned study frameworks`: a pure function of what the study found."""

from collections.abc import Sequence
from pathlib import Path

from thinned.lab.frameworks.equivalence import ALPHA, WIDTH
from thinned.lab.frameworks.study import ASKS, Result
from thinned.lab.frameworks.verdict import ENOUGH, FLOAT32, FLOAT64, compared_steps, too_few
from thinned.report.frameworks_figures import figures
from thinned.report.pages import fill, save


def render(result: Result) -> str:
    """Self-contained HTML that asks the network for nothing; the same result gives the same bytes.

    Args:
        result: with at least one line.
    """
    reference = result.lines[0].runs
    return fill(
        "frameworks.html.j2",
        figures(result.lines),
        asks=ASKS,
        result=result,
        exact=reference.exact.asked,
        plain=reference.plain.asked,
        reference=reference,
        restarts=len(reference.restarts),
        data=reference.plain.data,
        bounds={"float64": FLOAT64, "float32": FLOAT32},
        steps=compared_steps(reference),
        enough=ENOUGH if too_few(reference) else None,
        margin=WIDTH,
        alpha=ALPHA,
        about=_about(result),
    )


def write(result: Result, path: Path) -> Path:
    """Write the page, all of it or nothing; see `pages.save`."""
    return save(render(result), path)


def _about(result: Result) -> Sequence[tuple[str, str]]:
    """What it was made with: name and value."""
    first, setting = result.lines[0].runs.plain, result.lines[0].runs.plain.asked
    runs = [run for line in result.lines for run in (line.runs.exact, line.runs.plain, *line.runs.restarts)]
    commits = sorted({str(run.git["commit"])[:12] for run in runs if run.git}) or ["unknown"]
    return [
        (
            "Data",
            f"{first.data['name']}: {first.data['train_examples']:,} training and "
            f"{first.data['test_examples']:,} test examples. {first.data['source']} Fingerprint "
            f"{first.data['digest']}.",
        ),
        (
            "Network",
            f"two hidden layers of {setting.hidden}, rates {setting.rates[0]:g} and {setting.rates[1]:g}",
        ),
        ("Training", f"plain gradient descent, learning rate {setting.lr:g}, minibatches of {setting.batch}"),
        ("Seed", f"{setting.seed}, for weights, order and masks"),
        ("Law", f"version {first.law}"),
        ("thinned", f"{first.versions['thinned']}, source {', '.join(commits)}"),
        ("Processor", "; ".join(sorted({run.machine["processor"] for run in runs}))),
        ("Platform", "; ".join(sorted({run.machine["platform"] for run in runs}))),
    ]
