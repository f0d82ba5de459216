"""The pictures, as Plotly's own JSON; a string that begins with `--` names a colour of the page's style."""

from typing import Any

from thinned.lab.comparison import METRICS, Comparison, Metric
from thinned.report.facts import Facts, Panel

Figure = dict[str, Any]


def figures(page: Facts) -> dict[str, Figure]:
    """Each picture under the id of its place in the page."""
    found = {
        f"curve-{panel.name}": learning_curves(panel, page.comparison.control.name)
        for panel in page.panels
        if panel.curves
    }
    if page.comparison.pairs:
        found |= {f"pairs-{metric.name}": differences(page.comparison, metric) for metric in METRICS}
    return found


def differences(comparison: Comparison, metric: Metric) -> Figure:
    """The difference of each pair as a dot, their mean as a line, and its interval as a band."""
    seeds = [str(pair.seed) for pair in comparison.pairs]
    values = [pair.difference(metric) for pair in comparison.pairs]
    interval = comparison.differences[metric.name]
    shapes = [_upright(0, "--ink-soft", 2, "dot")]
    if interval is not None:
        shapes = [_strip(interval.low, interval.high), *shapes, _upright(interval.estimate, "--treated", 2)]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": values,
        "y": seeds,
        "marker": {"color": "--treated", "size": 10, "line": {"color": "--paper", "width": 1}},
        "hovertemplate": f"seed %{{y}}: %{{x:+.{metric.decimals}f}}<extra></extra>",
    }
    layout = layout_of(f"difference, {metric.unit}", "seed") | {"shapes": shapes}
    layout["yaxis"] |= {"type": "category", "range": [len(seeds) - 0.5, -0.5], "showgrid": False}
    return {"data": [dots], "layout": layout}


def learning_curves(panel: Panel, control: str) -> Figure:
    """The mean of each arm by epoch as a line in the band of its interval."""
    traces: list[Figure] = []
    for curve in panel.curves:
        role = "control" if curve.arm == control else "treated"
        lows, highs = [value.low for value in curve.values], [value.high for value in curve.values]
        band = {
            "type": "scatter",
            "x": [*curve.epochs, *reversed(curve.epochs)],
            "y": [*highs, *reversed(lows)],
            "fill": "toself",
            "fillcolor": f"--{role}-band",
            "line": {"width": 0},
            "mode": "lines",
            "hoverinfo": "skip",
        }
        line = {
            "type": "scatter",
            "x": list(curve.epochs),
            "y": [value.estimate for value in curve.values],
            "mode": "lines+markers" if len(curve.epochs) < 20 else "lines",
            "line": {"color": f"--{role}", "width": 2, "dash": "6px,3px" if role == "control" else "solid"},
            "marker": {"size": 5, "symbol": "square" if role == "control" else "circle"},
            "hovertemplate": f"{curve.arm}, epoch %{{x}}: %{{y:.4~f}}<extra></extra>",
        }
        traces += [band, line]
    return {"data": traces, "layout": layout_of("epoch", panel.unit)}


def layout_of(x_title: str, y_title: str) -> Figure:
    """Axes with these titles, in the page's colours."""
    axis = {
        "color": "--ink-soft",
        "gridcolor": "--rule",
        "zeroline": False,
        "automargin": True,
        "fixedrange": True,
    }
    return {
        "xaxis": axis | {"title": {"text": x_title, "standoff": 8}},
        "yaxis": axis | {"title": {"text": y_title, "standoff": 8}},
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "--ink"},
        "hoverlabel": {"bgcolor": "--paper", "bordercolor": "--rule", "font": {"color": "--ink"}},
        "showlegend": False,
    }


def _upright(x: float, colour: str, width: float, dash: str = "solid") -> Figure:
    line = {"color": colour, "width": width, "dash": dash}
    return {
        "type": "line",
        "x0": x,
        "x1": x,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": line,
        "layer": "below",
    }


def _strip(low: float, high: float) -> Figure:
    return {
        "type": "rect",
        "x0": low,
        "x1": high,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "fillcolor": "--treated-band",
        "line": {"width": 0},
        "layer": "below",
    }
