"""One HTML file with everything in it: the style, the pictures and what draws them."""

import os
import tempfile
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from thinned.errors import RecordError
from thinned.report.facts import Facts
from thinned.report.figures import figures


def render(about: Facts) -> str:
    """The page of a study: self-contained HTML that asks the network for nothing.

    The same facts give the same bytes: no time, no random identifier, no setting of the machine enters.

    Args:
        about: what it says; every text in it is escaped.
    """
    return fill("study.html.j2", facts=about, figures=figures(about))


def fill(template: str, **values: Any) -> str:
    """A template with these values, and with the script that draws its `figures`."""
    environment = Environment(
        loader=PackageLoader("thinned.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values, plotly=get_plotlyjs())


def write(about: Facts, path: Path) -> Path:
    """Write the page, all of it or nothing.

    Returns:
        `path`.

    Raises:
        RecordError: the folder cannot be written to.
    """
    return save(render(about), path)


def save(page: str, path: Path) -> Path:
    """Write a page that is rendered; see `write`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(page)
            Path(name).chmod(0o644)  # mkstemp gives 0o600, which a web server could not read
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RecordError(
            f"expected a folder that {path.name} can be written to; got {error.strerror or error} at "
            f"{path.parent}. Choose another one with --out."
        ) from error
    return path
