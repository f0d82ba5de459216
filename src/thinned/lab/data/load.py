"""The door of the data room: a name or a path in, `Data` out."""

import os
from pathlib import Path

from thinned.errors import DataError
from thinned.lab.data import digits, fashion_mnist
from thinned.lab.data.arrays import arrays
from thinned.lab.data.dataset import Data
from thinned.lab.data.images import images
from thinned.lab.data.places import data_folder


def load(name: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None = None) -> Data:
    """Load data by name or path, whole and verified.

    Args:
        name: `"digits"` (embedded, needs nothing), `"fashion-mnist"`, or the path of an `.npz` file or of a
            folder of images by class. A folder that is called digits is `"./digits"`.
        data_dir: where Fashion-MNIST's archives lie; None reads the variable `THINNED_DATA`.

    Returns:
        Arrays in memory, features in float32 and labels from 0 to k - 1.

    Raises:
        DataError: an unknown name, or data that is absent, altered, or of a shape that no study can use.
        MissingExtraError: a package of the `lab` extra is not installed.

    Example:
        >>> load("digits")
        Data(name='digits', classes=('0', '1', ..., '9'), source='Optical recognition ...')
    """
    if name == digits.NAME:
        return digits.digits()
    if name == fashion_mnist.NAME:
        return fashion_mnist.fashion_mnist(data_dir)
    path = Path(name).expanduser()
    if path.is_dir() and os.fspath(name):  # an empty name is this folder's, to Path
        return images(path)
    if path.is_file() and path.suffix == ".npz":
        return arrays(path)
    found = f"a {path.suffix or 'nameless'} file" if path.is_file() else "neither a name nor an existing path"
    raise DataError(
        f"expected {digits.NAME}, {fashion_mnist.NAME}, an .npz file or a folder of images; got "
        f"{os.fspath(name)!r}, {found}. Check the spelling."
    )


def default_name(data_dir: str | os.PathLike[str] | None = None) -> str:
    """What to load when nobody says: Fashion-MNIST where its four archives lie here already, else digits.

    Nothing is fetched.

    Args:
        data_dir: the data directory; None reads the variable `THINNED_DATA`.

    Raises:
        DataError: the data directory is named but is not a folder, or has only some of the archives.
    """
    if fashion_mnist.found_locally(data_dir):
        return fashion_mnist.NAME
    folder = data_folder(data_dir)
    absent = [] if folder is None else fashion_mnist.missing(folder)
    if absent:
        # Taking other data than the user began to lay out would answer another question.
        raise DataError(
            f"expected all of {fashion_mnist.NAME}'s archives in {folder}, where some lie; {', '.join(absent)} "
            f"is missing. Add it, or ask by name: {fashion_mnist.NAME} (which fetches it) or {digits.NAME}."
        )
    return digits.NAME
