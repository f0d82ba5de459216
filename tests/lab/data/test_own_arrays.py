"""Arrays of the user's own: what is accepted, and what each mistake says."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from thinned.errors import DataError
from thinned.lab.data import load


def good() -> dict[str, npt.NDArray[Any]]:
    """Six training and three test examples of three classes."""
    return {
        "x_train": np.arange(24.0).reshape(6, 4),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": np.arange(12.0).reshape(3, 4),
        "y_test": np.array([2, 1, 0]),
    }


def saved(folder: Path, arrays: dict[str, npt.NDArray[Any]]) -> Path:
    """The path of an `.npz` file with these arrays."""
    np.savez(folder / "own.npz", **arrays)
    return folder / "own.npz"


class TestAccepted:
    """Files that load."""

    @pytest.mark.parametrize("swap", [False, True], ids=["x_train", "train_x"])
    def test_both_orders_of_words(self, swap: bool, tmp_path: Path) -> None:
        """`x_train` and `train_x` mean the same."""
        given = {"_".join(key.split("_")[::-1]) if swap else key: value for key, value in good().items()}

        data = load(saved(tmp_path, given))

        assert good()["x_train"].tolist() == data.train_x.tolist()
        assert [2, 1, 0] == data.test_y.tolist()
        assert ("own", ("0", "1", "2")) == (data.name, data.classes)
        assert "own.npz" in data.source

    def test_x_and_y_alone_are_split(self, tmp_path: Path) -> None:
        """Within each class every fifth example is for testing, and the source says so."""
        x = np.arange(20.0).reshape(10, 2)

        data = load(saved(tmp_path, {"x": x, "y": np.array([0, 1] * 5)}))

        assert x[8:].tolist() == data.test_x.tolist()
        assert (8, [0, 1]) == (len(data.train_x), data.test_y.tolist())
        assert "every fifth" in data.source

    def test_strings_are_sorted_names(self, tmp_path: Path) -> None:
        """String labels are numbered in sorted order."""
        names = {"y_train": np.array(["b", "a", "c"] * 2), "y_test": np.array(["c", "b", "a"])}

        data = load(saved(tmp_path, good() | names))

        assert ("a", "b", "c") == data.classes
        assert ([1, 0, 2] * 2, [2, 1, 0]) == (data.train_y.tolist(), data.test_y.tolist())

    def test_classes_name_integers(self, tmp_path: Path) -> None:
        """An array of names goes with integer labels."""
        data = load(saved(tmp_path, good() | {"classes": np.array(["red", "green", "blue"])}))

        assert ("red", "green", "blue") == data.classes

    def test_bytes_are_pixels(self, tmp_path: Path) -> None:
        """uint8 features are divided by 255; others are taken as they are."""
        given = good() | {"x_train": np.full((6, 4), 255, np.uint8)}

        assert {1.0} == set(load(saved(tmp_path, given)).train_x.ravel().tolist())

    def test_whole_floats_are_labels(self, tmp_path: Path) -> None:
        """2.0 is label 2."""
        data = load(saved(tmp_path, good() | {"y_test": np.array([2.0, 1.0, 0.0])}))

        assert (np.int64, [2, 1, 0]) == (data.test_y.dtype, data.test_y.tolist())


NAN = np.arange(24.0).reshape(6, 4)
NAN[2, 3] = NAN[4, 0] = np.nan


class TestRefused:
    """Mistakes, each with the array and the place."""

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            pytest.param({"x_train": NAN}, r"got nan at x_train\[2, 3\], the first of 2", id="nan"),
            pytest.param({"x_test": np.full((3, 4), -np.inf)}, r"got -inf at x_test\[0, 0\]", id="infinity"),
            pytest.param(
                {"x_test": np.full((3, 4), 1e300)}, r"got 1e\+300 at x_test\[0, 0\]", id="beyond-float32"
            ),
            pytest.param(
                {"x_test": np.ones((3, 5))}, r"x_train and x_test; got \(4,\) and \(5,\)", id="features"
            ),
            pytest.param({"x_train": np.ones(6)}, r"got shape \(6,\) at x_train", id="no-features"),
            pytest.param({"x_train": np.ones((0, 4))}, r"got shape \(0, 4\) at x_train", id="empty"),
            pytest.param({"x_train": np.ones((6, 4)) * 1j}, "got dtype complex128 at x_train", id="complex"),
            pytest.param(
                {"x_train": np.ones((5, 4))}, "5 examples in x_train and 6 labels in y_train", id="length"
            ),
            pytest.param({"y_train": np.eye(6)}, r"got shape \(6, 6\) at y_train.*argmax", id="one-hot"),
            pytest.param(
                {"y_train": np.arange(6) % 3 + 1}, r"from 0 to 2.*got 3 at y_train\[2\]|no 0", id="from-1"
            ),
            pytest.param({"y_train": np.arange(6) % 3 - 1}, r"got -1 at y_train\[0\]", id="negative"),
            pytest.param({"y_train": np.array([0, 1, 3] * 2)}, "got no 2 in y_train", id="gap"),
            pytest.param({"y_train": np.array([0, 1, 1.5] * 2)}, r"got 1.5 at y_train\[2\]", id="half"),
            pytest.param(
                {"y_train": np.array([0, 1, np.nan] * 2)}, r"got nan at y_train\[2\]", id="nan-label"
            ),
            pytest.param(
                {"y_train": np.zeros(6, int)}, "at least two classes; got 1 in y_train", id="one-class"
            ),
            pytest.param(
                {"y_test": np.array([0, 1, 3])}, r"\(0 to 2\); got '3' at y_test\[2\]", id="unknown"
            ),
            pytest.param({"y_test": np.array(["a", "b", "c"])}, "of one kind", id="kinds"),
            pytest.param(
                {"y_train": np.array([b"a", b"b", b"c"] * 2)}, r"got dtype \|S1 at y_train", id="bytes"
            ),
            pytest.param(
                {"classes": np.array(["a", "b"])}, r"for 2 classes; got 2 at y_train\[2\]", id="few-names"
            ),
            pytest.param(
                {"classes": np.array(list("abcd"))}, "for 4 classes; got no 3 in y_train", id="many-names"
            ),
            pytest.param({"classes": np.arange(3)}, "array classes as strings", id="number-names"),
        ],
    )
    def test_wrong_arrays(self, changed: dict[str, npt.NDArray[Any]], message: str, tmp_path: Path) -> None:
        """One array is wrong; the error says which, where and how."""
        with pytest.raises(DataError, match=message):
            load(saved(tmp_path, good() | changed))

    def test_a_string_class_without_training(self, tmp_path: Path) -> None:
        """A name that only the test labels have is refused by name."""
        names = {"y_train": np.array(["a", "b", "c"] * 2), "y_test": np.array(["a", "z", "c"])}

        with pytest.raises(DataError, match=r"\(a, b, c\); got 'z' at y_test\[1\]"):
            load(saved(tmp_path, good() | names))

    def test_names_for_strings(self, tmp_path: Path) -> None:
        """String labels are names already."""
        names = {"y_train": np.array(["a", "b", "c"] * 2), "y_test": np.array(["a", "b", "c"])}

        with pytest.raises(DataError, match="integer labels where an array classes names them"):
            load(saved(tmp_path, good() | names | {"classes": np.array(["a", "b", "c"])}))

    def test_positions_are_those_of_the_file(self, tmp_path: Path) -> None:
        """Where `x` and `y` are split by this library, an error still counts as the user does."""
        x = np.ones((10, 2))
        x[9, 1] = np.nan

        with pytest.raises(DataError, match=r"got nan at x\[9, 1\]"):
            load(saved(tmp_path, {"x": x, "y": np.array([0, 1] * 5)}))

    def test_missing_arrays(self, tmp_path: Path) -> None:
        """The error lists the names that would do and those that are there."""
        given = good()
        del given["y_test"]

        with pytest.raises(
            DataError, match=r"x_train y_train x_test y_test, or .*; got x_train y_train x_test in"
        ):
            load(saved(tmp_path, given))

    def test_objects_are_not_unpickled(self, tmp_path: Path) -> None:
        """An array of objects is refused before any of them is made."""
        with pytest.raises(DataError, match="would be unpickled"):
            load(saved(tmp_path, good() | {"y_test": np.array([0, None, 2], object)}))

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"text"], ids=["empty", "cut", "text"])
    def test_not_an_archive(self, content: bytes, tmp_path: Path) -> None:
        """Whatever is called .npz and is not one."""
        (tmp_path / "own.npz").write_bytes(content)

        with pytest.raises(DataError, match=r"expected an \.npz file of plain arrays"):
            load(tmp_path / "own.npz")

    def test_a_truncated_archive(self, tmp_path: Path) -> None:
        """A file whose end is missing."""
        path = saved(tmp_path, good())
        path.write_bytes(path.read_bytes()[:-40])

        with pytest.raises(DataError, match=r"expected an \.npz file of plain arrays"):
            load(path)

    def test_an_npy_file_by_another_name(self, tmp_path: Path) -> None:
        """One array is not an archive of arrays."""
        buffer = io.BytesIO()
        np.save(buffer, np.ones(3))
        (tmp_path / "own.npz").write_bytes(buffer.getvalue())

        with pytest.raises(DataError, match=r"expected an \.npz file of plain arrays"):
            load(tmp_path / "own.npz")
