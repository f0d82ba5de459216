"""Fashion-MNIST: 60,000 + 10,000 grey images of clothes, found locally or fetched, always verified."""

import os

import numpy as np
import numpy.typing as npt

from thinned.lab.data.archive import Archive, read
from thinned.lab.data.checks import Part, checked
from thinned.lab.data.dataset import Data
from thinned.lab.data.idx import unpack
from thinned.lab.data.places import VARIABLE, cache_folder, candidates, data_folder

NAME = "fashion-mnist"
ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
"""The official address. Plain HTTP is all that it offers, so the checksums are what is trusted."""

TRAIN_IMAGES = Archive("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d")
TRAIN_LABELS = Archive("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe")
TEST_IMAGES = Archive("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79")
TEST_LABELS = Archive("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310")
ARCHIVES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

_BY_HAND = (
    "To use Fashion-MNIST without a network, put its four files "
    f"({', '.join(archive.name for archive in ARCHIVES)}) from {ADDRESS} into a folder DIR/{NAME} "
    f"and set {VARIABLE}=DIR, or pass data_dir=DIR."
)

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def fashion_mnist(
    data_dir: str | os.PathLike[str] | None = None,
    *,
    address: str = ADDRESS,
    archives: tuple[Archive, ...] = ARCHIVES,
) -> Data:
    """Fashion-MNIST, from the data directory, else the user's cache, else its official address.

    Args:
        data_dir: the data directory; None reads `THINNED_DATA`. Both `DIR/fashion-mnist/*.gz` and `DIR/*.gz`
            are looked at.
        address: where absent archives are fetched from.
        archives: training images and labels, test images and labels, each with its checksum.

    Returns:
        Images with axes (example, row 28, column 28), in [0, 1].

    Raises:
        DataError: an archive that is absent and cannot be fetched, or is not the official one.

    References:
        Xiao, Rasul, Vollgraf, "Fashion-MNIST", 2017, https://arxiv.org/abs/1708.07747.
    """
    folder = data_folder(data_dir)
    cache = cache_folder(NAME)
    arrays = [
        unpack(
            read(archive, candidates(archive.name, NAME, folder), cache, address, _BY_HAND),
            archive.name,
            axes,
        )
        for archive, axes in zip(archives, (3, 1, 3, 1), strict=True)
    ]
    return checked(
        NAME,
        Part(archives[0].name, arrays[0], archives[1].name, _labels(arrays[1])),
        Part(archives[2].name, arrays[2], archives[3].name, _labels(arrays[3])),
        source="Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017; MIT licence, Zalando SE): the four official "
        f"archives of {ADDRESS}, each verified by its checksum.",
        classes=CLASSES,
    )


def found_locally(data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether all four archives lie in the data directory or the user's cache; they are not verified yet.

    Raises:
        DataError: the data directory is named but is not a folder.
    """
    folder = data_folder(data_dir)
    cache = cache_folder(NAME)
    return all(
        any(path.is_file() for path in (*candidates(archive.name, NAME, folder), cache / archive.name))
        for archive in ARCHIVES
    )


def missing(data_dir: str | os.PathLike[str]) -> list[str]:
    """The archives that a folder lacks, if it has some of them; none if it has all, or none of them."""
    folder = data_folder(data_dir)
    absent = [
        archive.name
        for archive in ARCHIVES
        if not any(path.is_file() for path in candidates(archive.name, NAME, folder))
    ]
    return absent if len(absent) < len(ARCHIVES) else []


def _labels(array: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    return array.astype(np.int64)
