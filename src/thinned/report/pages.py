"""One HTML file with everything in it: style, pictures, and what draws them; it asks the network for nothing."""

import base64
import errno
import hashlib
import math
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from thinned.errors import RecordError
from thinned.lab.answer import Cell, Chart, HeatMap, Picture
from thinned.report.interactive import colour, dash, figure, height, symbol
from thinned.report.scale import number
from thinned.report.words import clauses, summary, table

FEW_ROWS = 40
"""Up to so many runs are shown unfolded."""

MARKS = {
    "circle": '<circle cx="16" cy="6" r="5" fill="currentColor"/>',
    "square": '<rect x="11.5" y="1.5" width="9" height="9" fill="currentColor"/>',
    "diamond": '<path d="M16 0l6 6-6 6-6-6z" fill="currentColor"/>',
    "triangle-up": '<path d="M16 1l6 10H10z" fill="currentColor"/>',
    "triangle-down": '<path d="M16 11l6-10H10z" fill="currentColor"/>',
    "x": '<path d="M12 2l8 8m0-8l-8 8" stroke="currentColor" stroke-width="3"/>',
    "cross": '<path d="M16 0v12m-6-6h12" stroke="currentColor" stroke-width="3"/>',
    "star": '<path d="M16 0l2 4 4 .5-3 3 1 4.5-4-2.5-4 2.5 1-4.5-3-3 4-.5z" fill="currentColor"/>',
}
"""Plotly's marks, for the key of a picture."""


def fill(template: str, pictures: Mapping[str, Any], **values: Any) -> str:
    """A template with these values, and what draws its pictures.

    The same values give the same bytes: no time, no random identifier, no setting of the machine enters. Texts are
    escaped; the page forbids itself to run any script but the two that it was made with.

    Args:
        template: its file's name.
        pictures: of each place in the page, by its id: a picture of an answer, or Plotly's own JSON.
        values: what the template names.
    """
    plotly, script = _asset("plotly-cartesian.min.js"), _asset("page.js")
    return _environment().get_template(template).render(
        **values,
        figures={place: _drawn(each) for place, each in pictures.items()},
        plotly=plotly,
        script=script,
        style=_asset("page.css"),
        allowed=" ".join(f"'sha256-{_digest(each)}'" for each in (plotly, script)),
        few_rows=FEW_ROWS,
    )  # fmt: skip


def save(page: str, path: Path) -> Path:
    """Write a page, all of it or nothing.

    Returns:
        `path`.

    Raises:
        RecordError: the folder cannot be written to.
    """
    return save_bytes(page.encode(), path)


def save_bytes(content: bytes, path: Path) -> Path:
    """Write a file, all of it or nothing; see `save`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(name).chmod(0o644)  # mkstemp gives 0o600, which a web server could not read
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        advice = "Make room, or choose" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "Choose"
        raise RecordError(
            f"expected a folder that {path.name} can be written to; got {error.strerror or error} at "
            f"{path.parent}. {advice} another one with --out."
        ) from error
    return path


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("thinned.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "as_cell": as_cell,
        "colour": colour,
        "dashes": lambda k: "" if dash(k) == "solid" else dash(k).replace("px", ""),
        "height": height,
        "is_wide": is_wide,
        "mark": lambda k: MARKS[symbol(k)],
        "summary": summary,
        "clauses": clauses,
        "values_of": table,
    }
    return environment


def as_cell(value: str | float | Cell) -> dict[str, str | None]:
    """What a table's cell shows, and what it is sorted by where that is something else.

    Example:
        >>> as_cell(Cell("0.42 (0.1 to 0.9)", 0.42))
        {'text': '0.42 (0.1 to 0.9)', 'key': '0.42'}
    """
    if isinstance(value, Cell):
        return {"text": value.text, "key": None if value.sort is None else _sorted_by(value.sort)}
    if isinstance(value, str):
        return {"text": value, "key": None}
    return {"text": number(value), "key": _sorted_by(value)}


def is_wide(picture: Picture) -> bool:
    """Whether it needs the whole width of a page."""
    if isinstance(picture, HeatMap):
        return len(picture.x) > 5
    return picture.kind == "intervals" and len({x for series in picture.series for x in series.x}) > 6


def _sorted_by(key: float | str) -> str:
    if isinstance(key, str):
        return key
    return (
        repr(float(key)) if math.isfinite(key) else "Infinity"
    )  # as JavaScript reads it: what is none comes last


def _drawn(picture: Any) -> Any:
    return figure(picture) if isinstance(picture, Chart | HeatMap) else picture


@cache
def _asset(name: str) -> str:
    return (files("thinned.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
