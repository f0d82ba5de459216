"""The door: names, paths, the default, and the embedded digits."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from thinned.errors import DataError, MissingExtraError
from thinned.extras import need
from thinned.lab.data import default_name, load
from thinned.lab.data.split import every_fifth


class TestDigits:
    """The embedded default."""

    def test_nothing_is_lost_and_nothing_twice(self) -> None:
        """Training and test parts together are scikit-learn's 1,797 images, pixels over 16."""
        data = load("digits")
        bunch = need("sklearn.datasets", "lab").load_digits()
        both = np.concatenate([data.train_x, data.test_x])

        assert sorted(map(bytes, bunch.images.astype(np.uint8))) == sorted(
            map(bytes, (both * 16).astype(np.uint8))
        )

    def test_the_split_is_the_documented_one(self) -> None:
        """Within each class, in order, images 4, 9, 14 ... are for testing."""
        data = load("digits")
        bunch = need("sklearn.datasets", "lab").load_digits()
        for label in range(10):
            images = bunch.images[bunch.target == label] / 16

            assert images[4::5].tolist() == data.test_x[data.test_y == label].tolist()

    def test_the_promises_of_data(self) -> None:
        """Types, range, names and source are those that `Data` documents."""
        data = load("digits")

        assert (np.float32, np.int64) == (data.train_x.dtype, data.train_y.dtype)
        assert (0, 1) == (data.train_x.min(), data.train_x.max())
        assert tuple("0123456789") == data.classes
        assert "scikit-learn" in data.source

    def test_data_is_frozen(self) -> None:
        """A study cannot exchange the arrays under another's feet."""
        with pytest.raises(FrozenInstanceError):
            load("digits").name = "other"  # type: ignore[misc]


class TestSplit:
    """`every_fifth`."""

    def test_each_class_gives_the_same_share(self) -> None:
        """Of n examples of a class, floor(n / 5) are for testing."""
        labels = np.repeat([0, 1, 2], [5, 9, 10])

        assert [1, 1, 2] == np.bincount(labels[every_fifth(labels, "toy")]).tolist()

    def test_a_small_class_is_refused(self) -> None:
        """Four examples of a class leave none for testing."""
        with pytest.raises(DataError, match=r"at least 5 examples of each class.*got 4 of class '1' in toy"):
            every_fifth(np.repeat([0, 1], [5, 4]), "toy")


class TestLoad:
    """`load` and `default_name`."""

    @pytest.mark.parametrize("name", ["mnist", "no/such/place.npz", ""])
    def test_an_unknown_name_lists_the_choices(self, name: str) -> None:
        """The error names what could have been asked for."""
        with pytest.raises(
            DataError, match=r"expected digits, fashion-mnist, an \.npz file or a folder"
        ) as error:
            load(name)

        assert "neither a name nor an existing path" in str(error.value)

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        """A CSV file is not guessed at."""
        (tmp_path / "a.csv").write_text("1,2")

        with pytest.raises(DataError, match=r"a \.csv file"):
            load(tmp_path / "a.csv")

    def test_default_is_digits_where_nothing_lies(self) -> None:
        """Without the archives the default needs nothing."""
        assert "digits" == default_name()

    def test_default_is_fashion_mnist_where_it_lies(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the four archives at hand, by argument or variable, they are the default."""
        assert "fashion-mnist" == default_name(folder)

        monkeypatch.setenv("THINNED_DATA", str(folder))

        assert "fashion-mnist" == default_name()

    def test_an_absent_package_names_the_extra(self) -> None:
        """What to install is in the error."""
        with pytest.raises(MissingExtraError, match=r"pip install 'thinned\[lab\]'"):
            need("no_such_package", "lab")

    def test_importing_the_room_imports_no_heavy_package(self) -> None:
        """scikit-learn, pooch and Pillow wait until they are needed."""
        heavy = "{'sklearn', 'pooch', 'PIL'}"
        code = f"import sys, thinned.lab.data; print(sorted({heavy} & set(sys.modules)))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

        assert "[]" == found.stdout.strip()
