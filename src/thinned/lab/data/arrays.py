"""Arrays of the user's own, in one `.npz` file."""

import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from thinned.errors import DataError
from thinned.lab.data.checks import Part, checked
from thinned.lab.data.dataset import Data
from thinned.lab.data.split import every_fifth

LAYOUTS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_x", "train_y", "test_x", "test_y"),
    ("x", "y"),
)
"""The names that the arrays may have; with `x` and `y` alone, `every_fifth` makes the test set."""

Arrays = Mapping[str, npt.NDArray[np.generic]]


def arrays(path: Path) -> Data:
    """The arrays of an `.npz` file, as `numpy.savez` writes it; nothing in it is unpickled.

    It holds `x_train, y_train, x_test, y_test`, or `train_x, train_y, test_x, test_y`, or `x, y`, which
    `every_fifth` splits. An array `classes` of strings may name integer labels. Features are cast to
    float32; uint8 ones are taken as pixels and divided by 255.

    Raises:
        DataError: not such a file, not such arrays, or values that no study can use.
    """
    found, digest = _read(path)
    names = next((each for each in LAYOUTS if set(each) <= set(found)), None)
    if names is None:
        wanted = ", or ".join(" ".join(each) for each in LAYOUTS)
        raise DataError(
            f"expected arrays named {wanted}; got {' '.join(found) or 'none'} in {path}. Save them so: "
            "numpy.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)."
        )
    train, test = _split(found, path) if len(names) == 2 else _given(found, names)
    split = " every fifth example of each class, in order, is for testing." if len(names) == 2 else ""
    source = f"Arrays {', '.join(names)} of the file {path.name}, sha256 {digest[:16]};{split}".rstrip(";")
    return checked(path.stem, train, test, source=source, classes=_classes(found, path))


def _read(path: Path) -> tuple[Arrays, str]:
    """The arrays of a file, and the file's sha256."""
    try:
        # Opened here, because numpy.load leaves a file that it refuses open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
            file.seek(0)
            return found, hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, EOFError, BadZipFile, zlib.error, ValueError, TypeError) as error:
        raise DataError(
            f"expected an .npz file of plain arrays; got {type(error).__name__}: {error} at {path}. "
            "Write it by numpy.savez; arrays of Python objects are refused because they would be unpickled."
        ) from error


def _given(found: Arrays, names: tuple[str, ...]) -> tuple[Part, Part]:
    train_x, train_y, test_x, test_y = names
    return (
        Part(train_x, found[train_x], train_y, found[train_y]),
        Part(test_x, found[test_x], test_y, found[test_y]),
    )


def _split(found: Arrays, path: Path) -> tuple[Part, Part]:
    whole = Part("x", found["x"], "y", found["y"])
    checked(path.stem, whole, whole, source="")  # positions in errors are the file's own, before the split
    test = every_fifth(whole.y, path.name)
    return (
        Part("x", whole.x[~test], "y", whole.y[~test]),
        Part("x", whole.x[test], "y", whole.y[test]),
    )


def _classes(found: Arrays, path: Path) -> tuple[str, ...] | None:
    if "classes" not in found:
        return None
    names = found["classes"]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise DataError(
            f"expected the array classes as strings, axes (class,); got dtype {names.dtype} and shape "
            f"{names.shape} in {path}."
        )
    return tuple(map(str, names))
