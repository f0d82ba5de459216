"""Fashion-MNIST from folders: found, verified, scaled; the real archives where they are at hand."""

import gzip
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from thinned.errors import DataError
from thinned.lab.data import default_name, load
from thinned.lab.data.archive import Archive, md5
from thinned.lab.data.fashion_mnist import ARCHIVES, CLASSES, fashion_mnist, found_locally

REAL = os.environ.get("THINNED_DATA")
NOWHERE = "http://127.0.0.1:9/"  # the discard port: nothing answers


class TestFinding:
    """Where the archives are looked for."""

    def test_argument_names_the_folder_above(self, folder: Path, archives: tuple[Archive, ...]) -> None:
        """`DIR/fashion-mnist/*.gz` is found by data_dir=DIR."""
        data = fashion_mnist(folder, archives=archives, address=NOWHERE)

        assert (40, 10) == (len(data.train_x), len(data.test_x))

    def test_argument_names_the_folder_itself(self, folder: Path, archives: tuple[Archive, ...]) -> None:
        """`DIR/*.gz` is found by data_dir=DIR."""
        data = fashion_mnist(folder / "fashion-mnist", archives=archives, address=NOWHERE)

        assert (40, 10) == (len(data.train_x), len(data.test_x))

    def test_variable_names_the_folder(
        self, folder: Path, archives: tuple[Archive, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`THINNED_DATA` serves where no argument does."""
        monkeypatch.setenv("THINNED_DATA", str(folder))

        assert 40 == len(fashion_mnist(archives=archives, address=NOWHERE).train_x)

    def test_argument_wins_over_the_variable(
        self, folder: Path, archives: tuple[Archive, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """With both, only the argument's folder is looked at."""
        monkeypatch.setenv("THINNED_DATA", str(folder))

        with pytest.raises(DataError, match="expected to fetch"):
            fashion_mnist(tmp_path, archives=archives, address=NOWHERE)

    @pytest.mark.parametrize("by", ["argument", "variable"])
    def test_a_named_folder_must_exist(
        self, by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A misspelt folder is an error that says where it was named, not a download."""
        missing = tmp_path / "mising"
        monkeypatch.setenv("THINNED_DATA", str(missing))

        with pytest.raises(DataError, match="data_dir" if by == "argument" else "THINNED_DATA"):
            found_locally(missing if by == "argument" else None)

    def test_cache_serves_without_a_network(
        self, contents: dict[str, bytes], archives: tuple[Archive, ...], cache: Path
    ) -> None:
        """What was fetched once is not fetched again."""
        cache.mkdir(parents=True)
        for name, content in contents.items():
            (cache / name).write_bytes(content)

        assert 40 == len(fashion_mnist(archives=archives, address=NOWHERE).train_x)
        assert found_locally()

    def test_three_archives_are_not_the_data(self, folder: Path) -> None:
        """`found_locally` wants all four."""
        assert found_locally(folder)

        (folder / "fashion-mnist" / ARCHIVES[3].name).unlink()

        assert not found_locally(folder)
        with pytest.raises(DataError, match=rf"{ARCHIVES[3].name} is missing. Add it, or ask by name"):
            default_name(folder)


class TestVerifying:
    """No byte is used that was not verified."""

    @pytest.mark.parametrize("which", range(4), ids=[archive.name for archive in ARCHIVES])
    @pytest.mark.parametrize("damage", ["truncated", "altered", "empty"])
    def test_a_bad_local_file_is_refused_and_left(
        self, which: int, damage: str, folder: Path, archives: tuple[Archive, ...]
    ) -> None:
        """The error has name, place and both checksums; the user's file is not touched."""
        path = folder / "fashion-mnist" / archives[which].name
        good = path.read_bytes()
        bad = {"truncated": good[:-3], "altered": good[:-1] + bytes([good[-1] ^ 1]), "empty": b""}[damage]
        path.write_bytes(bad)

        with pytest.raises(DataError) as error:
            fashion_mnist(folder, archives=archives, address=NOWHERE)

        found = md5(bad)
        for part in (path.name, str(path), archives[which].md5, found, f"{len(bad)} bytes"):
            assert part in str(error.value)
        assert bad == path.read_bytes()

    def test_a_bad_file_leaves_the_cache(self, archives: tuple[Archive, ...], cache: Path) -> None:
        """A half-written file in the cache is removed even when no other can be fetched."""
        cache.mkdir(parents=True)
        (cache / archives[0].name).write_bytes(b"half")

        with pytest.raises(DataError, match="expected to fetch"):
            fashion_mnist(archives=archives, address=NOWHERE)

        assert [] == list(cache.iterdir())

    def test_checksums_do_not_replace_the_header(self, folder: Path, archives: tuple[Archive, ...]) -> None:
        """An archive with the right checksum and labels where images should be is refused too."""
        swapped = (archives[1], archives[0], archives[2], archives[3])

        with pytest.raises(DataError, match="magic number 00000803"):
            fashion_mnist(folder, archives=swapped)

    def test_lengths_must_agree(
        self, folder: Path, contents: dict[str, bytes], archives: tuple[Archive, ...]
    ) -> None:
        """Images and labels of different numbers are refused with both."""
        crossed = replace(archives[1], name="short.gz", md5=archives[3].md5)
        (folder / "short.gz").write_bytes(contents[archives[3].name])

        with pytest.raises(DataError, match=r"40 examples in train-images.* and 10 labels in short\.gz"):
            fashion_mnist(folder, archives=(archives[0], crossed, archives[2], archives[3]))


class TestArrays:
    """What comes out."""

    def test_pixels_are_divided_by_255(
        self, folder: Path, contents: dict[str, bytes], archives: tuple[Archive, ...]
    ) -> None:
        """Each pixel is the nearest float32 to byte / 255, in the archive's order."""
        data = fashion_mnist(folder, archives=archives)
        pixels = np.frombuffer(gzip.decompress(contents[archives[0].name])[16:], np.uint8)

        assert (np.float32, (40, 3, 2)) == (data.train_x.dtype, data.train_x.shape)
        assert (pixels / 255).astype(np.float32).tolist() == data.train_x.ravel().tolist()

    def test_labels_are_numbers_with_names(self, folder: Path, archives: tuple[Archive, ...]) -> None:
        """Label 9 is an ankle boot."""
        data = fashion_mnist(folder, archives=archives)

        assert (np.int64, list(range(10))) == (data.test_y.dtype, data.test_y.tolist())
        assert "Ankle boot" == data.classes[9]


@pytest.mark.skipif(REAL is None, reason="THINNED_DATA is not set: the real archives are not at hand")
class TestReal:
    """The official archives themselves."""

    def test_whole_and_balanced(self) -> None:
        """60,000 and 10,000 images of 28 x 28 pixels, as many of each class; quickly loaded."""
        start = time.process_time()
        data = load("fashion-mnist", REAL)
        seconds = time.process_time() - start

        assert ((60000, 28, 28), (10000, 28, 28)) == (data.train_x.shape, data.test_x.shape)
        assert [6000] * 10 == np.bincount(data.train_y).tolist()
        assert [1000] * 10 == np.bincount(data.test_y).tolist()
        assert (0, 1, CLASSES) == (data.train_x.min(), data.train_x.max(), data.classes)
        assert seconds < 3  # of one core; half a second when it is idle, more when its caches are shared
