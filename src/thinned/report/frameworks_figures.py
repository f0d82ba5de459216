"""The pictures of `thinned study frameworks`; a string that begins with `--` names a colour of the page's style."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from thinned.lab.frameworks.equivalence import WIDTH, Equivalence
from thinned.lab.frameworks.records import Run
from thinned.lab.frameworks.verdict import FLOAT32, FLOAT64, Line, compared_steps
from thinned.report.interactive import Figure, layout_of

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "5px,2px", "2px,2px", "9px,3px")


def figures(lines: Sequence[Line]) -> dict[str, Figure]:
    """Each picture under the id of its place in the page."""
    exact, built_in = ([getattr(line.runs, name) for line in lines] for name in ("exact", "built_in"))
    top = 1.05 * max(max(run.outcome["losses"]) for run in (*exact, *built_in))
    steps = compared_steps(lines[0].runs)
    return {
        "law": losses(lines, exact, top, nested=True),
        "built-in": losses(lines, built_in, top),
        "rounding-64": rounding(lines, "exact", FLOAT64, steps["float64"]),
        "rounding-32": rounding(lines, "plain", FLOAT32, steps["float32"]),
        "band": band(lines, "test_loss", 1, "test loss, nats"),
        "band-difference": band(lines, "test_loss", 1, "difference in test loss, nats", from_mean=True),
        "test-loss": intervals(lines, "loss", 1, "difference in test loss, nats"),
        "test-accuracy": intervals(lines, "accuracy", 100, "difference in test accuracy, points"),
    }


def losses(lines: Sequence[Line], runs: Sequence[Run], top: float, *, nested: bool = False) -> Figure:
    """The loss of each step; nested, the first line is the widest, so that those that lie on it are seen on it."""
    traces = []
    for k, (line, run) in enumerate(zip(lines, runs, strict=True)):
        values = run.outcome["losses"]
        width = 1.2 + 0.7 * (len(lines) - 1 - k) * nested
        traces.append(_trace(line, k, list(range(1, len(values) + 1)), values, width=width, dash="solid"))
    layout = layout_of("step", "training loss, nats")
    layout["yaxis"] |= {"range": [0, top]}
    return {"data": traces, "layout": layout}


def rounding(lines: Sequence[Line], which: str, bound: float, steps: int) -> Figure:
    """The relative difference of each step's loss from the reference's, and the bound over its steps."""
    traces = []
    reference = np.array(getattr(lines[0].runs, which).outcome["losses"])
    for k, line in enumerate(lines[1:], 1):
        values = np.array(getattr(line.runs, which).outcome["losses"])
        difference = np.abs(values - reference) / reference
        shown = [float(each) if each > 0 else None for each in difference]  # a logarithm has no place for 0
        traces.append(_trace(line, k, list(range(1, len(shown) + 1)), shown, width=1.2))
    limit: Figure = {
        "type": "scatter",
        "mode": "lines",
        "x": [1, steps],
        "y": [bound, bound],
        "hoverinfo": "skip",
    }
    limit["line"] = {"color": "--ink", "width": 2, "dash": "dot"}
    layout = layout_of("step", "relative difference")
    layout["yaxis"] |= {"type": "log", "dtick": 2}
    return {"data": [*traces, limit], "layout": layout}


def band(
    lines: Sequence[Line], measure: str, factor: float, title: str, *, from_mean: bool = False
) -> Figure:
    """A measure by epoch: the margin around the reference's restarts, and the curve of each framework."""
    restarts = factor * np.array([run.outcome[measure] for run in lines[0].runs.restarts])
    mean, half = restarts.mean(0), WIDTH * restarts.std(0, ddof=1)
    base = mean if from_mean else np.zeros_like(mean)
    epochs = list(range(1, len(mean) + 1))
    lows, highs = (mean - half - base).tolist(), (mean + half - base).tolist()
    strip = {
        "type": "scatter", "x": [*epochs, *epochs[::-1]], "y": [*highs, *lows[::-1]], "fill": "toself",
        "fillcolor": "--band", "line": {"width": 0}, "mode": "lines", "hoverinfo": "skip",
    }  # fmt: skip
    curves = [
        _trace(
            line, k, epochs, (factor * np.array(line.runs.plain.outcome[measure]) - base).tolist(), width=1.4
        )
        for k, line in enumerate(lines)
    ]
    return {"data": [strip, *curves], "layout": layout_of("epoch", title)}


def intervals(lines: Sequence[Line], which: str, factor: float, title: str) -> Figure:
    """For each framework the difference at the end with its 90 % interval, in the band of the margin."""
    names = [line.runs.found.framework.title for line in lines[1:]]
    found: list[Equivalence] = [getattr(line, which) for line in lines[1:]]
    margin = factor * max((each.margin for each in found), default=0.0)
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": [factor * each.difference for each in found],
        "y": names,
        "marker": {"color": "--ink", "size": 9},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [factor * (each.high - each.difference) for each in found],
            "arrayminus": [factor * (each.difference - each.low) for each in found],
            "color": "--ink",
            "thickness": 2,
        },
        "hovertemplate": "%{y}: %{x:+.3~g}<extra></extra>",
    }
    reach = 1.3 * max([margin, *(factor * abs(end) for each in found for end in (each.low, each.high))])
    layout = layout_of(title, "")
    layout["xaxis"] |= {"range": [-reach, reach]} if reach else {}
    line = {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    strip = {"type": "rect", "x0": -margin, "x1": margin, "yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    layout["shapes"] = [
        strip | {"fillcolor": "--band", "line": {"width": 0}},
        line | {"line": {"color": "--ink-soft", "width": 2, "dash": "dot"}},
    ]
    layout["yaxis"] |= {"type": "category", "range": [len(names) - 0.5, -0.5], "showgrid": False}
    return {"data": [dots], "layout": layout}


def _trace(
    line: Line, k: int, x: list[int], y: list[Any], *, width: float, dash: str | None = None
) -> Figure:
    title = line.runs.found.framework.title
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "line": {"color": f"--f{k}", "width": width, "dash": dash or DASHES[k]},
        "hovertemplate": f"{title}, %{{x}}: %{{y:.6~g}}<extra></extra>",
    }
