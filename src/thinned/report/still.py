"""Pictures as PNG, for pages that no script draws; the same as `interactive` draws, by Matplotlib."""

import hashlib
import io
import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from thinned.lab.answer import Chart, HeatMap, Picture, Series
from thinned.report.interactive import broken, in_cell, offset
from thinned.report.scale import Scale, said
from thinned.report.words import has_interval, summary

COLOURS = ("#0b62a3", "#b54708", "#1a7446", "#a2307f", "#6247b5", "#7d6200", "#006f75", "#b42a43")
"""Those of the page's style, in the same order."""
DASHES = ("-", "--", ":", "-.", (0, (6, 2)))
SYMBOLS = ("o", "s", "D", "^", "X", "v", "P", "*")
INK, SOFT, RULE = "#1b1f24", "#57606a", "#d8dee4"
RAMP = LinearSegmentedColormap.from_list("ramp", ["#f3f4f6", "#c8561b"])
APART = LinearSegmentedColormap.from_list("apart", ["#2a78b8", "#f3f4f6", "#c8561b"])
WIDTH = 7.6
"""Inches."""
DPI = 110
LINE = 110
"""Characters that the legend has room for beside each other."""
AXIS = 40
"""Characters of a label along the vertical axis."""


def png(picture: Picture) -> bytes:
    """The picture's bytes, with its words and the fingerprint of its values written into them.

    The same picture gives the same bytes with one version of Matplotlib; the fingerprint is the same with all.

    Args:
        picture: of an answer.
    """
    buffer = io.BytesIO()
    drawn(picture).savefig(buffer, format="png", dpi=DPI, metadata={**told(picture), "Software": None})
    return buffer.getvalue()


def told(picture: Picture) -> dict[str, str]:
    """What is written into the picture's file: its words, and the fingerprint of its values."""
    return {"Title": picture.title, "Description": summary(picture), "Source": fingerprint(picture)}


def fingerprint(picture: Picture) -> str:
    """Of every value that the picture shows: 16 hexadecimal digits."""
    content = json.dumps(asdict(picture), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def drawn(picture: Picture) -> Figure:
    """The picture in a figure of its own; no window, and none of Matplotlib's global state."""
    figure = Figure(figsize=(WIDTH, _height(picture)), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    if isinstance(picture, HeatMap):
        _heat(figure, axes, picture)
    elif picture.kind == "intervals":
        _rows(axes, picture)
    else:
        _over_numbers(axes, picture)
    _dress(figure, axes, picture)
    return figure


def _height(picture: Picture) -> float:
    if isinstance(picture, HeatMap):
        return 1.2 + 0.42 * max(len(picture.y), 2)
    if picture.kind != "intervals":
        return 4.2
    rows = len(Scale.of(picture).places)
    return 1.3 + max(rows * (0.2 + 0.2 * len(picture.series)), 0.8)


def _over_numbers(axes: Axes, chart: Chart) -> None:
    scale = Scale.of(chart)
    for k, series in enumerate(chart.series):
        places = [scale.places[x] for x in series.x]
        if chart.kind == "lines":
            _line(axes, series, places, k)
        else:
            _dots(axes, series, places, k, along="y")
    if scale.log:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    if scale.ticks:
        axes.set_xticks([place for place, _ in scale.ticks], [text for _, text in scale.ticks])
    if chart.reference is not None:
        axes.axhline(chart.reference, color=SOFT, lw=1, ls=":")
    axes.set(xlabel=chart.x_label, ylabel=_wrapped(chart.y_label))


def _rows(axes: Axes, chart: Chart) -> None:
    scale = Scale.of(chart)
    for k, series in enumerate(chart.series):
        _dots(axes, series, [scale.places[x] + offset(k, len(chart.series)) for x in series.x], k, along="x")
    axes.set_yticks([place for place, _ in scale.ticks], ["\n".join(broken(text)) for _, text in scale.ticks])
    axes.set_ylim(len(scale.places) - 0.5, -0.5)
    if chart.reference is not None:
        axes.axvline(chart.reference, color=SOFT, lw=1, ls=":")
    axes.set_xlabel(chart.y_label)


def _line(axes: Axes, series: Series, places: Sequence[float], k: int) -> None:
    dash, mark = DASHES[k % len(DASHES)], SYMBOLS[k % len(SYMBOLS)] if len(places) <= 20 else None
    colour = COLOURS[k % len(COLOURS)]
    estimates = [value.estimate for value in series.values]
    axes.plot(places, estimates, color=colour, ls=dash, marker=mark, ms=4, lw=1.6, label=series.name)
    band = [(place, value) for place, value in zip(places, series.values, strict=True) if has_interval(value)]
    if band:
        axes.fill_between(
            [place for place, _ in band], [value.low for _, value in band], [value.high for _, value in band],
            color=colour, alpha=0.16, lw=0,
        )  # fmt: skip


def _dots(axes: Axes, series: Series, places: Sequence[float], k: int, along: str) -> None:
    colour = COLOURS[k % len(COLOURS)]
    for place, runs in zip(places, series.runs, strict=False):
        shift = [place + (0.1 if j % 2 else -0.1) * (along == "x") for j in range(len(runs))]
        xs, ys = (list(runs), shift) if along == "x" else (shift, list(runs))
        axes.plot(xs, ys, ".", color=colour, alpha=0.35, ms=4, mew=0)
    estimates = [value.estimate for value in series.values]
    arms: Any = [
        [value.estimate - value.low if has_interval(value) else math.nan for value in series.values],
        [value.high - value.estimate if has_interval(value) else math.nan for value in series.values],
    ]
    style: Any = {"fmt": SYMBOLS[k % len(SYMBOLS)], "color": colour, "ms": 6, "lw": 1.6, "capsize": 3}
    if along == "x":
        axes.errorbar(estimates, places, xerr=arms, label=series.name, **style)
    else:
        axes.errorbar(places, estimates, yerr=arms, label=series.name, **style)


def _heat(figure: Figure, axes: Axes, heat: HeatMap) -> None:
    finite = [value for row in heat.values for value in row if math.isfinite(value)]
    if heat.middle is None:
        low, high = min(finite, default=0.0), max(finite, default=1.0)
    else:
        reach = max((abs(value - heat.middle) for value in finite), default=1.0) or 1.0
        low, high = heat.middle - reach, heat.middle + reach
    ramp = RAMP if heat.middle is None else APART
    image = axes.imshow(heat.values, cmap=ramp, vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(len(heat.x)), [said(x) for x in heat.x])
    axes.set_yticks(range(len(heat.y)), [said(y) for y in heat.y])
    for row, (values, texts) in enumerate(zip(heat.values, heat.shown, strict=True)):
        for column, (value, text) in enumerate(zip(values, texts, strict=True)):
            if math.isfinite(value):
                ink = _ink(ramp((value - low) / ((high - low) or 1)))
                axes.text(
                    column,
                    row,
                    _plain(in_cell(text)),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=ink,
                )
    figure.colorbar(image, ax=axes, pad=0.01, fraction=0.05)
    axes.set(xlabel=heat.x_label, ylabel=heat.y_label)


def _columns(series: Sequence[Series]) -> int:
    """Of the legend: as many as stand beside each other in the figure's width, at most three."""
    longest = max(len(each.name) for each in series)
    return max(1, min(3, LINE // (longest + 8)))


def _wrapped(label: str, characters: int = AXIS) -> str:
    return "\n".join(textwrap.wrap(label, characters))


def _ink(background: Any) -> str:
    """Black or white, whichever is read better on it."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in background[:3]
    )
    return "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.18 else "black"


def _dress(figure: Figure, axes: Axes, picture: Picture) -> None:
    figure.suptitle(
        _plain("\n".join(textwrap.wrap(picture.title, 90))), fontsize=11, color=INK, x=0.01, ha="left"
    )
    axes.tick_params(colors=SOFT, labelsize=9)
    if isinstance(picture, HeatMap):
        axes.spines[:].set_visible(False)
        return
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[:].set_color(RULE)
    axes.grid(axis="x" if picture.kind == "intervals" else "both", color=RULE, lw=0.6)
    axes.set_axisbelow(True)
    if any(series.name for series in picture.series) and (len(picture.series) > 1 or picture.kind == "lines"):
        figure.legend(loc="outside lower center", ncols=_columns(picture.series), frameon=False, fontsize=9)


def _plain(text: str) -> str:
    """A dollar sign is one, and begins no formula."""
    return text.replace("$", r"\$")
