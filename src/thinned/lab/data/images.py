"""Images of the user's own, in folders named after their classes."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from thinned.errors import DataError
from thinned.extras import need
from thinned.lab.data.checks import Part, checked
from thinned.lab.data.dataset import Data
from thinned.lab.data.split import every_fifth

SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})

_MODES = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB"}
"""Pillow's modes, and what each is read as: grey or colour."""


def images(folder: Path) -> Data:
    """A folder of images by class.

    Either `train/CLASS/*.png` and `test/CLASS/*.png`, or `CLASS/*.png`, which `every_fifth` splits in the
    order of file names. PNG and JPEG, all grey or all colour, all of one size; other files are passed over.

    Returns:
        Axes (example, row, column) for grey and (example, row, column, colour 3) for colour, in [0, 1].

    Raises:
        DataError: no images, one that cannot be read or differs in size or colour, or a class of the test
            folder that the training folder lacks.
        MissingExtraError: Pillow is not installed.
    """
    source = f"Images in the folder {folder.name}, one folder for each class"
    if not any(_folders(folder / part) for part in ("train", "test")):
        files, labels = _listed(folder)
        test = every_fifth(labels, str(folder))
        x = _pixels(files)
        return checked(
            folder.name,
            Part(str(folder), x[~test], str(folder), labels[~test]),
            Part(str(folder), x[test], str(folder), labels[test]),
            source=f"{source}; every fifth image of each class, in the order of file names, is for testing.",
        )
    parts = [_part(folder / name) for name in ("train", "test")]
    return checked(folder.name, parts[0], parts[1], source=f"{source}, under train and test.")


def _part(folder: Path) -> Part:
    files, labels = _listed(folder)
    return Part(str(folder), _pixels(files), str(folder), labels)


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))


def _listed(folder: Path) -> tuple[list[Path], npt.NDArray[np.str_]]:
    """Every image under the class folders, in order, and its class."""
    files: list[Path] = []
    for place in _folders(folder):
        found = sorted(each for each in place.iterdir() if each.suffix.lower() in SUFFIXES)
        if not found:
            raise DataError(
                f"expected images ({', '.join(sorted(SUFFIXES))}) of a class; got none in {place}. "
                "Add some, or remove the folder."
            )
        files += found
    if not files:
        raise DataError(
            f"expected folders of images, one for each class; got none in {folder}. Arrange them as "
            "train/CLASS/*.png and test/CLASS/*.png, or as CLASS/*.png."
        )
    return files, np.array([file.parent.name for file in files])


def _pixels(files: list[Path]) -> npt.NDArray[np.uint8]:
    first = _pixels_of(files[0])
    pixels = np.empty((len(files), *first.shape), np.uint8)
    for at, file in enumerate(files):
        one = _pixels_of(file)
        if one.shape != first.shape:
            raise DataError(
                f"expected every image with axes {first.shape}, as {files[0].name} has; got {one.shape} at "
                f"{file}. Bring all to one size, and to grey or colour."
            )
        pixels[at] = one
    return pixels


def _pixels_of(file: Path) -> npt.NDArray[np.uint8]:
    image: Any = need("PIL.Image", "lab")
    try:
        with image.open(file) as opened:
            mode = _MODES.get(opened.mode)
            if mode is not None:
                return np.asarray(opened.convert(mode))
            found = opened.mode
    except (OSError, SyntaxError, image.DecompressionBombError) as error:
        raise DataError(f"expected an image; got {error} at {file}. Replace or remove it.") from error
    raise DataError(
        f"expected 8-bit pixels, grey or colour without transparency; got mode {found} at {file}. "
        "Convert it to grey or RGB."
    )
