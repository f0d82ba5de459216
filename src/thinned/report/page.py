"""The page of a study: everything that its records say, in one file."""

from pathlib import Path

from thinned.lab.records import Store
from thinned.lab.study import Result
from thinned.report.facts import Facts, gather
from thinned.report.pages import fill, save


def render(about: Facts) -> str:
    """The page: self-contained HTML that asks the network for nothing; the same facts give the same bytes.

    Args:
        about: what it says; every text in it is escaped.
    """
    pictures = {f"picture-{k}": each for k, each in enumerate(about.answer.charts)}
    pictures |= {f"curve-{k}": each for k, each in enumerate(about.curves)}
    return fill("study.html.j2", pictures, facts=about)


def write_report(result: Result, path: Path | str | None = None) -> Path:
    """Write the page of a study that has been run.

    Args:
        result: what `Study.run` returned; the records in its folder are read again, and are all that the page is
            made from.
        path: of the page; None means `report.html` beside the records.

    Returns:
        Where it is.

    Raises:
        RecordError: no run has finished, or the folder cannot be written to.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from thinned.lab import Study
        >>> settings = {"epochs": 1, "hidden": (8,), "rates": (0.5,)}
        >>> with TemporaryDirectory() as folder:
        ...     study = Study("dropout", "digits", seeds=2, settings=settings, out=folder, jobs=1)
        ...     write_report(study.run()).name
        'report.html'
    """
    facts = gather(Store(result.store).read(), result.design)
    return write(facts, result.store.with_name("report.html") if path is None else Path(path))


def write(about: Facts, path: Path) -> Path:
    """Write the page, all of it or nothing.

    Returns:
        `path`.

    Raises:
        RecordError: the folder cannot be written to.
    """
    return save(render(about), path)
