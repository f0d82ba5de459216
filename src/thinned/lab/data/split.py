"""The one split that this library makes by itself: fixed, stratified, and explained in a sentence."""

import numpy as np
import numpy.typing as npt

from thinned.errors import DataError

FOLDS = 5


def every_fifth(labels: npt.NDArray[np.generic], where: str) -> npt.NDArray[np.bool_]:
    """Which examples are for testing: within each class, in the given order, every fifth.

    It depends on nothing but the labels: no seed, no library's generator. So each class has the same share
    of test examples, rounded down, in every run and on every machine.

    Args:
        labels: axes (example,).
        where: the data's name, for errors.

    Returns:
        bool array, axes (example,), True for a test example.

    Raises:
        DataError: a class with fewer than five examples.

    Example:
        >>> every_fifth(np.array([0, 1] * 5), "toy").astype(int)
        array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
    """
    test = np.zeros(len(labels), np.bool_)
    for name in np.unique(labels):
        members = np.flatnonzero(labels == name)
        if len(members) < FOLDS:
            raise DataError(
                f"expected at least {FOLDS} examples of each class, so that every fifth can be for testing; "
                f"got {len(members)} of class {str(name)!r} in {where}. Supply a test set of your own."
            )
        test[members[FOLDS - 1 :: FOLDS]] = True
    return test
