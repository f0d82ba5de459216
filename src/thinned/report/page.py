"""The page of a study: everything that its records say, in one file."""

from pathlib import Path

from thinned.report.facts import Facts
from thinned.report.pages import fill, save


def render(about: Facts) -> str:
    """The page: self-contained HTML that asks the network for nothing; the same facts give the same bytes.

    Args:
        about: what it says; every text in it is escaped.
    """
    pictures = {f"picture-{k}": each for k, each in enumerate(about.answer.charts)}
    pictures |= {f"curve-{k}": each for k, each in enumerate(about.curves)}
    return fill("study.html.j2", pictures, facts=about)


def write(about: Facts, path: Path) -> Path:
    """Write the page, all of it or nothing.

    Returns:
        `path`.

    Raises:
        RecordError: the folder cannot be written to.
    """
    return save(render(about), path)
