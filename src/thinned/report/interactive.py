"""Pictures as Plotly's own JSON. A colour is the name of one in the page's style, such as `--ink`."""

import html
import math
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from thinned.lab.answer import Chart, HeatMap, Picture, Series
from thinned.lab.statistics import Interval
from thinned.report.scale import Scale, number, said
from thinned.report.words import has_interval, interval

Figure = dict[str, Any]

COLOURS = 8
"""How many the style has for series; then they begin again, with other dashes and marks."""
DASHES = ("solid", "6px,3px", "2px,2px", "9px,3px,2px,3px", "12px,4px")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "triangle-down", "cross", "star")
WIDEST = 22
"""Letters of a row's name in one line; a phone has no room for more beside a picture."""
TITLE = 30
"""Letters of an axis's title in one line."""
RUNS_SHOWN = 12
"""Runs that are told one by one where the mouse is."""


def figure(picture: Picture) -> Figure:
    """What Plotly draws."""
    if isinstance(picture, HeatMap):
        return _heat(picture)
    return _rows(picture) if picture.kind == "intervals" else _over_numbers(picture)


def height(picture: Picture) -> float:
    """In the page's letters (rem), so that rows have the same height however many there are."""
    if isinstance(picture, HeatMap):
        return 5 + 2.6 * max(len(picture.y), 2)
    if picture.kind != "intervals":
        return 21
    scale = Scale.of(picture)
    lines = max((len(broken(text)) for _, text in scale.ticks), default=1)
    return 4.5 + max(len(scale.places) * max(1.3 + 1.0 * len(picture.series), 1.3 * lines), 4)


def dash(k: int) -> str:
    """Of the k-th series: colours return sooner than dashes do."""
    return DASHES[k % len(DASHES)]


def symbol(k: int) -> str:
    """The mark of the k-th series."""
    return SYMBOLS[k % len(SYMBOLS)]


def colour(k: int) -> str:
    """Of the k-th series."""
    return f"--s{k % COLOURS}"


def _over_numbers(chart: Chart) -> Figure:
    scale = Scale.of(chart)
    traces: list[Figure] = []
    for k, series in enumerate(chart.series):
        xs = [scale.places[x] for x in series.x]
        if chart.kind == "lines":
            traces += [*_band(series, xs, k), _line(series, xs, k)]
        else:
            traces += [*_single_runs(series, xs, k), _dots(series, xs, k, "y")]
    layout = layout_of(chart.x_label, chart.y_label)
    layout["xaxis"] |= _ticks(scale) | ({"type": "log"} if scale.log else {})
    layout["shapes"] = _straight(chart.reference, "y")
    return {"data": traces, "layout": layout}


def _rows(chart: Chart) -> Figure:
    scale = Scale.of(chart)
    traces: list[Figure] = []
    for k, series in enumerate(chart.series):
        ys = [scale.places[x] + offset(k, len(chart.series)) for x in series.x]
        traces += [*_single_runs(series, ys, k, across=True), _dots(series, ys, k, "x")]
    layout = layout_of(chart.y_label, "", WIDEST)
    layout["yaxis"] |= _ticks(scale) | {"range": [len(scale.places) - 0.5, -0.5], "showgrid": False}
    layout["shapes"] = _straight(chart.reference, "x")
    return {"data": traces, "layout": layout}


def offset(k: int, count: int) -> float:
    """How far the k-th of several series lies from the middle of its row."""
    return 0.7 * ((k + 0.5) / count - 0.5)


def _line(series: Series, xs: list[float], k: int) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers" if len(xs) <= 20 else "lines",
        "x": xs,
        "y": [_finite(value.estimate) for value in series.values],
        "line": {"color": colour(k), "width": 2, "dash": dash(k)},
        "marker": {"size": 6, "symbol": symbol(k)},
    } | _hover(series)


def _band(series: Series, xs: list[float], k: int) -> list[Figure]:
    ends = [(x, value) for x, value in zip(xs, series.values, strict=True) if has_interval(value)]
    if len(ends) < 2:
        return []
    return [
        {
            "type": "scatter",
            "x": [x for x, _ in ends] + [x for x, _ in reversed(ends)],
            "y": [value.high for _, value in ends] + [value.low for _, value in reversed(ends)],
            "fill": "toself",
            "fillcolor": f"{colour(k)}-band",
            "line": {"width": 0},
            "mode": "lines",
            "hoverinfo": "skip",
        }
    ]


def _dots(series: Series, places: list[float], k: int, along: str) -> Figure:
    """Estimates with their intervals along an axis."""
    across = "y" if along == "x" else "x"
    return {
        "type": "scatter",
        "mode": "markers",
        along: [_finite(value.estimate) for value in series.values],
        across: places,
        "marker": {"color": colour(k), "size": 10, "symbol": symbol(k), "line": {"color": "--paper", "width": 1}},
        f"error_{along}": {
            "type": "data",
            "symmetric": False,
            "array": [_arm(value, value.high) for value in series.values],
            "arrayminus": [_arm(value, value.low) for value in series.values],
            "color": colour(k),
            "thickness": 2,
            "width": 4,
        },
    } | _hover(series)  # fmt: skip


def _single_runs(series: Series, places: list[float], k: int, *, across: bool = False) -> list[Figure]:
    """A small dot for each run, beside the estimate where there is room for it."""
    if not series.runs:
        return []
    values, at, told = [], [], []
    for x, place, runs in zip(series.x, places, series.runs, strict=True):
        for j, value in enumerate(runs):
            values.append(_finite(value))
            at.append(place + (0.12 if j % 2 else -0.12) * across)
            told.append(_safe(f"{_named(series, x)}: one run, {number(value)}"))
    x_name, y_name = ("x", "y") if across else ("y", "x")
    return [
        {
            "type": "scatter",
            "mode": "markers",
            x_name: values,
            y_name: at,
            "marker": {"color": colour(k), "size": 5, "opacity": 0.45},
            "hoverinfo": "text",
            "hovertext": told,
        }
    ]


def _heat(heat: HeatMap) -> Figure:
    finite = [value for row in heat.values for value in row if math.isfinite(value)]
    reach = max((abs(value - (heat.middle or 0)) for value in finite), default=1.0) or 1.0
    ramp = [[0, "--low"], [0.5, "--middle"], [1, "--high"]] if heat.middle is not None else [
        [0, "--middle"], [1, "--high"]]  # fmt: skip
    ends = {} if heat.middle is None else {"zmin": heat.middle - reach, "zmax": heat.middle + reach}
    told = [
        [_safe(f"{heat.x_label} {said(x)}, {heat.y_label} {said(y)}: {text}") for x, text in cells]
        for y, cells in (
            (y, zip(heat.x, texts, strict=True)) for y, texts in zip(heat.y, heat.shown, strict=True)
        )
    ]
    trace: Figure = {
        "type": "heatmap",
        "x": list(range(len(heat.x))),
        "y": list(range(len(heat.y))),
        "z": [[_finite(value) for value in row] for row in heat.values],
        "text": [[_safe(in_cell(text)) for text in row] for row in heat.shown],
        "texttemplate": "%{text}",
        "hoverinfo": "text",
        "hovertext": told,
        "hoverongaps": True,
        "colorscale": ramp,
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickfont": {"color": "--ink-soft"}},
        "xgap": 2,
        "ygap": 2,
    } | ends
    layout = layout_of(heat.x_label, heat.y_label)
    layout["xaxis"] |= _ticks(Scale({}, tuple((k, said(x)) for k, x in enumerate(heat.x)), False, True))
    layout["yaxis"] |= _ticks(Scale({}, tuple((k, said(y)) for k, y in enumerate(heat.y)), False, True))
    layout["yaxis"] |= {"autorange": "reversed", "showgrid": False}
    layout["xaxis"] |= {"showgrid": False}
    return {"data": [trace], "layout": layout}


def in_cell(text: str) -> str:
    """What there is room for: the estimate. Its interval is told where the mouse is, and in the table.

    Example:
        >>> in_cell("97.7 (97.5 to 97.9)"), in_cell("+0.4* ± 0.2")
        ('97.7', '+0.4*')
    """
    return re.split(r" [(±]", text, maxsplit=1)[0]


def _hover(series: Series) -> Figure:
    runs = series.runs or ((),) * len(series.x)
    told = [
        _safe(f"{_named(series, x)}: {interval(value)}") + _each(found)
        for x, value, found in zip(series.x, series.values, runs, strict=True)
    ]
    return {"hoverinfo": "text", "hovertext": told}


def _each(runs: Sequence[float]) -> str:
    if not runs:
        return ""
    if len(runs) > RUNS_SHOWN:
        return f"<br>{len(runs)} runs from {number(min(runs))} to {number(max(runs))}"
    lines = textwrap.wrap(", ".join(map(number, runs)), 44)
    return f"<br>{len(runs)} run{'s' * (len(runs) > 1)}: {'<br>'.join(lines)}"


def _named(series: Series, x: float | str) -> str:
    return f"{series.name}, {said(x)}" if series.name else said(x)


def _ticks(scale: Scale) -> Figure:
    if not scale.ticks:
        return {}
    return {
        "tickmode": "array",
        "tickvals": [place for place, _ in scale.ticks],
        "ticktext": ["<br>".join(map(_safe, broken(text))) for _, text in scale.ticks],
    }


def broken(text: str) -> list[str]:
    """A name in at most three short lines; what is left out is told where the mouse is, and in the table.

    Example:
        >>> broken("SpatialDropout at 0.3 minus none")
        ['SpatialDropout at 0.3', 'minus none']
    """
    return textwrap.wrap(text, WIDEST, max_lines=3, placeholder=" …") or [""]


def _title(text: str, letters: int) -> str:
    """An axis's words, in lines that fit beside a picture on a phone."""
    return "<br>".join(map(_safe, textwrap.wrap(text, letters)))


def _safe(text: str) -> str:
    """Plotly reads tags in texts; ours is none."""
    return html.escape(text, quote=False)


def _arm(value: Interval, end: float) -> float | None:
    return abs(end - value.estimate) if has_interval(value) else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def layout_of(x_title: str, y_title: str, letters: int = TITLE) -> Figure:
    """Axes with these titles, in the page's colours; lines of the first have so many letters."""
    axis = {
        "color": "--ink-soft",
        "gridcolor": "--rule",
        "zeroline": False,
        "automargin": True,
        "fixedrange": True,
        "exponentformat": "power",  # Plotly's own way is 200µ for 2e-4
        "minexponent": 4,
    }
    return {
        "xaxis": axis | {"title": {"text": _title(x_title, letters), "standoff": 8, "font": {"size": 13}}},
        "yaxis": axis | {"title": {"text": _title(y_title, TITLE), "standoff": 8, "font": {"size": 13}}},
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "--ink"},
        "hoverlabel": {
            "bgcolor": "--paper", "bordercolor": "--ink-soft", "font": {"color": "--ink"}, "align": "left",
        },
        "hovermode": "closest",
        "dragmode": False,
        "showlegend": False,
    }  # fmt: skip


def _straight(at: float | None, along: str) -> list[Figure]:
    """A thin line across the picture where `along` has this value."""
    if at is None:
        return []
    across = "y" if along == "x" else "x"
    ends = {f"{along}0": at, f"{along}1": at, f"{across}ref": "paper", f"{across}0": 0, f"{across}1": 1}
    line = {"color": "--ink-soft", "width": 1.5, "dash": "dot"}
    return [{"type": "line", "line": line, "layer": "below"} | ends]
