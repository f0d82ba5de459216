"""Small stand-ins for Fashion-MNIST's archives, and a cache of the test's own."""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from thinned.lab.data import fashion_mnist
from thinned.lab.data.archive import Archive, md5


def idx(array: npt.NDArray[np.uint8]) -> bytes:
    """IDX bytes of an array."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture(name="contents")
def _contents() -> dict[str, bytes]:
    """Four archives in Fashion-MNIST's names and layout, with 40 and 10 images of 3 x 2 pixels."""
    names = [archive.name for archive in fashion_mnist.ARCHIVES]
    pixels = np.arange(50 * 6).reshape(50, 3, 2).astype(np.uint8)
    labels = (np.arange(50) % 10).astype(np.uint8)
    arrays = (pixels[:40], labels[:40], pixels[40:], labels[40:])
    return {name: gzip.compress(idx(array), mtime=0) for name, array in zip(names, arrays, strict=True)}


@pytest.fixture(name="archives")
def _archives(contents: dict[str, bytes]) -> tuple[Archive, ...]:
    """The stand-ins' checksums."""
    return tuple(Archive(name, md5(content)) for name, content in contents.items())


@pytest.fixture(name="folder")
def _folder(contents: dict[str, bytes], tmp_path: Path) -> Path:
    """A data directory that holds the stand-ins under fashion-mnist."""
    place = tmp_path / "given" / "fashion-mnist"
    place.mkdir(parents=True)
    for name, content in contents.items():
        (place / name).write_bytes(content)
    return place.parent


@pytest.fixture(name="cache", autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of Fashion-MNIST in an empty cache; no data directory is named."""
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.delenv("THINNED_DATA", raising=False)
    return tmp_path / "cache" / "thinned" / "fashion-mnist"
