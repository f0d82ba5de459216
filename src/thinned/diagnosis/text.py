"""A report for people: findings in words, and a small picture of the activations in both modes."""

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from thinned.diagnosis.finding import Finding, Layer, Place, Report
from thinned.extras import need

if TYPE_CHECKING:
    from rich.console import Console

_COLOURS = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
SHOWN = 3
"""Places of one finding that are told one by one."""
MOST_LAYERS = 24


def as_text(report: Report, width: int = 100) -> str:
    """Without colours."""
    rich = need("rich.console", "audit")
    stream = io.StringIO()
    show(report, rich.Console(file=stream, width=width, highlight=False, color_system=None))
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines())


def show(report: Report, console: "Console", *, picture: bool = True) -> None:
    """Print a report.

    Args:
        report: of an audit.
        console: of rich.
        picture: with the activations in both modes.
    """
    from rich.table import Table
    from rich.text import Text

    for finding in report:
        console.print(_heading(finding))
        body = Table.grid(padding=(0, 1))
        body.add_column(min_width=13)
        body.add_column()
        for label, words in _body(finding):
            body.add_row(Text(f"  {label}", style="dim"), Text(words, overflow="fold"))
        console.print(body)
        console.print()
    if report.silenced:
        console.print(Text("Silenced", style="bold"))
        for finding in report.silenced:
            console.print(Text(f"  {finding.rule} at {shown(finding.place)}: {finding.silenced}"))
        console.print()
    if picture and report.layers:
        _picture(report, console)
    console.print(Text(summary(report)))


def _heading(finding: Finding) -> "object":
    from rich.text import Text

    return Text.assemble(
        (finding.severity, _COLOURS[finding.severity]), "  ", (finding.rule, "bold"), "  ", finding.title
    )


def _body(finding: Finding) -> list[tuple[str, str]]:
    places = finding.places
    told = [shown(place) for place in places[:SHOWN]]
    if len(places) > SHOWN:
        told.append(f"and {len(places) - SHOWN} more places like these")
    return [
        ("where", "\n".join(told)),
        ("evidence", finding.evidence),
        ("consequence", finding.consequence),
        ("mend", finding.mend),
    ]


def shown(place: Place) -> str:
    """A place, its file as seen from here."""
    return str(replace(place, file=None if place.file is None else near(place.file)))


def near(file: str) -> str:
    """A file as seen from here; one of an installed package, from where packages are."""
    path = Path(file)
    if path.is_relative_to(Path.cwd()) and "site-packages" not in path.parts:
        return str(path.relative_to(Path.cwd()))
    return file.rpartition("/site-packages/")[2]


def summary(report: Report) -> str:
    """The last line."""
    counts = [
        f"{count} {severity}{'s' * (count != 1)}"
        for severity in ("error", "warning", "note")
        if (count := report.counts(severity))
    ]
    found = ", ".join(counts) or "nothing found"
    facts = report.facts
    run = ""
    if "sites" in facts:
        run = f"; {facts['sites']} sites, {facts['draws']:,} draws a pass"
    quiet = f"; {len(report.silenced)} silenced" if report.silenced else ""
    return f"{report.model}: {found}{quiet}{run}."


def _picture(report: Report, console: "Console") -> None:
    """Mean and deviation of each layer's output, train over evaluation, on one scale."""
    from rich.table import Table
    from rich.text import Text

    layers = chosen(report.layers)
    left, right = _range(layers)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("layer", "mode", "activations: mean | and one deviation -", "mean", "variance"):
        table.add_column(head, justify="right" if head in {"mean", "variance"} else "left", no_wrap=True)
    for layer in layers:
        for mode, (mean, variance) in (("train", layer.train), ("eval", layer.evaluation)):
            name = f"{layer.name} ({layer.kind})" if mode == "train" else ""
            bar = drawn(mean, math.sqrt(variance), left, right)
            table.add_row(*map(Text, (_short(name), mode, bar, f"{mean:.3g}", f"{variance:.3g}")))
    console.print(table)
    hidden = len(report.layers) - len(layers)
    if hidden:
        console.print(Text(f"{hidden} more layers; --json has them all."))
    console.print()


def chosen(layers: tuple[Layer, ...]) -> list[Layer]:
    """As many as a screen holds: those whose two modes differ most, in the order of the calls."""
    if len(layers) <= MOST_LAYERS:
        return list(layers)
    ranked = sorted(layers, key=difference, reverse=True)[:MOST_LAYERS]
    return [layer for layer in layers if layer in ranked]


def difference(layer: Layer) -> float:
    """How far the two modes are apart, in deviations and in the logarithm of the variance."""
    (mean, variance), (other, other_variance) = layer.train, layer.evaluation
    deviation = math.sqrt(max(variance, other_variance)) or 1.0
    ratio = abs(math.log(variance / other_variance)) if variance > 0 and other_variance > 0 else 0.0
    found = abs(mean - other) / deviation + ratio
    return found if math.isfinite(found) else math.inf


def _range(layers: list[Layer]) -> tuple[float, float]:
    ends = [
        (mean - math.sqrt(variance), mean + math.sqrt(variance))
        for layer in layers
        for mean, variance in (layer.train, layer.evaluation)
        if math.isfinite(mean) and math.isfinite(variance)
    ]
    if not ends:
        return -1.0, 1.0
    # One layer's giant activations would press all others into one column.
    lows, highs = sorted(low for low, _ in ends), sorted(high for _, high in ends)
    return lows[len(lows) // 20], max(highs[-1 - len(highs) // 20], lows[len(lows) // 20] + 1e-9)


def drawn(mean: float, deviation: float, left: float, right: float, width: int = 40) -> str:
    """One line of the picture.

    Example:
        >>> drawn(0.0, 0.5, -1.0, 1.0, width=9)
        '  --|--  '
    """
    if not (math.isfinite(mean) and math.isfinite(deviation)):
        return "not finite".ljust(width)

    def column(value: float) -> int:
        return min(width - 1, max(0, round((value - left) / (right - left) * (width - 1))))

    low, high = column(mean - deviation), column(mean + deviation)
    line = [" "] * low + ["-"] * (high - low + 1) + [" "] * (width - high - 1)
    line[column(mean)] = "|"
    return "".join(line)


def _short(name: str, width: int = 34) -> str:
    return name if len(name) <= width else "..." + name[-(width - 3) :]
