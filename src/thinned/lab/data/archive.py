"""An archive with a known checksum: read from a folder or fetched, and never trusted unverified."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from thinned.errors import DataError
from thinned.lab.data.download import download


def md5(content: bytes) -> str:
    """The checksum that data sets of this age are published with; it guards against accidents, not malice.

    Example:
        >>> md5(b"")
        'd41d8cd98f00b204e9800998ecf8427e'
    """
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Archive:
    """A file that is one thing only, byte for byte.

    Args:
        name: of the file.
        md5: of its bytes, in hexadecimal.

    Example:
        >>> Archive("empty.gz", "d41d8cd98f00b204e9800998ecf8427e").matches(b"")
        True
    """

    name: str
    md5: str

    def matches(self, content: bytes) -> bool:
        """Whether these bytes are the archive."""
        return md5(content) == self.md5

    def verify(self, content: bytes, where: object, remedy: str) -> None:
        """Refuse bytes that are not the archive.

        Raises:
            DataError: with the name, both checksums, where the bytes lie and what to do.
        """
        if not self.matches(content):
            raise DataError(
                f"expected {self.name} with md5 {self.md5}; got md5 {md5(content)} ({len(content)} bytes) at "
                f"{where}. It is truncated, altered or half written; {remedy}"
            )


def read(archive: Archive, local: Iterable[Path], cache: Path, address: str, otherwise: str) -> bytes:
    """The archive's bytes, verified: from the first local place that has it, else the cache, else fetched.

    A local file belongs to the user: a bad one is refused and left alone. The cache belongs to this library:
    a bad file there is removed and fetched again.

    Args:
        archive: which.
        local: paths to try first.
        cache: the folder to keep fetched archives in.
        address: of the folder to fetch it from, ending in a slash.
        otherwise: a sentence for errors, on what to do where it cannot be fetched.

    Returns:
        The bytes that were verified; no second read can differ from them.

    Raises:
        DataError: a local copy that is not the archive, or no copy and no way to fetch one.
    """
    for path in local:
        if path.is_file():
            content = _content(path)
            archive.verify(content, path, f"replace it by the file from {address}, or delete it.")
            return content
    return _cached(archive, cache / archive.name) or _fetched(archive, cache, address, otherwise)


def _cached(archive: Archive, path: Path) -> bytes | None:
    if not path.is_file():
        return None
    content = _content(path)
    if archive.matches(content):
        return content
    path.unlink(missing_ok=True)
    return None


def _fetched(archive: Archive, cache: Path, address: str, otherwise: str) -> bytes:
    url = address + archive.name

    def check(content: bytes) -> None:
        archive.verify(content, url, f"nothing was kept, try again. {otherwise}")

    return _content(download(url, cache / archive.name, archive.md5, check, otherwise))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"expected a readable file; got {error} at {path}. Check its permissions.") from error
