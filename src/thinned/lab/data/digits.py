"""The embedded default: scikit-learn's handwritten digits, which need no file and no network."""

import numpy as np

from thinned.extras import need
from thinned.lab.data.checks import Part, checked
from thinned.lab.data.dataset import Data
from thinned.lab.data.split import every_fifth

NAME = "digits"


def digits() -> Data:
    """1,797 grey images of 8 x 8 pixels in ten classes, with `every_fifth` as the test set.

    The pixels are integers from 0 to 16 and are divided by 16.

    Returns:
        1,442 training and 355 test images, axes (example, row 8, column 8), in [0, 1].

    Raises:
        MissingExtraError: scikit-learn is not installed.

    Example:
        >>> data = digits()
        >>> data.train_x.shape, data.test_x.shape
        ((1442, 8, 8), (355, 8, 8))

    References:
        Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998,
        https://doi.org/10.24432/C50P49; scikit-learn embeds its test part.
    """
    bunch = need("sklearn.datasets", "lab").load_digits()
    images = (bunch.images / 16).astype(np.float32)
    labels = bunch.target
    test = every_fifth(labels, NAME)
    return checked(
        NAME,
        Part("the training images", images[~test], "the training labels", labels[~test]),
        Part("the test images", images[test], "the test labels", labels[test]),
        source="Optical recognition of handwritten digits (Alpaydin, Kaynak, UCI, 1998), as scikit-learn "
        "embeds it; within each class, in order, every fifth image is a test image.",
    )
