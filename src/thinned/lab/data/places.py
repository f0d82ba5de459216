"""Where archives may lie: the folder that the user names, and the user's cache."""

import os
from collections.abc import Iterator
from pathlib import Path

from thinned.errors import DataError, MissingExtraError
from thinned.extras import need

VARIABLE = "THINNED_DATA"
"""The environment variable that names the data directory where no argument does."""


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """The data directory: the argument, else `THINNED_DATA`, else None.

    Raises:
        DataError: one is named that is not a folder.
    """
    named = os.fspath(data_dir) if data_dir is not None else os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        by = VARIABLE if data_dir is None else "the argument data_dir"
        raise DataError(
            f"expected a folder as the data directory; got {named!r}, which is not one, from {by}. "
            f"Name an existing folder, or leave {by} empty."
        )
    return folder


def cache_folder(collection: str) -> Path:
    """The folder of the user's cache that holds a collection; it need not exist yet."""
    try:
        return Path(need("pooch", "lab").os_cache("thinned")) / collection
    except MissingExtraError:
        # Nothing can be fetched without it, but what lies in the data directory is read.
        return Path.home() / ".cache" / "thinned" / collection


def candidates(file_name: str, collection: str, folder: Path | None) -> Iterator[Path]:
    """Where a file of a collection may lie in the data directory, nearest first.

    Example:
        >>> [path.as_posix() for path in candidates("a.gz", "fashion-mnist", Path("d"))]
        ['d/fashion-mnist/a.gz', 'd/a.gz']
    """
    if folder is not None:
        yield folder / collection / file_name
        yield folder / file_name
