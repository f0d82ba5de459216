"""Labels as they came -> integers from 0 to k - 1, and the names of the k classes."""

import numpy as np
import numpy.typing as npt

from thinned.errors import DataError
from thinned.lab.data.dataset import I64

Labels = npt.NDArray[np.generic]


def numbered(
    train: Labels, test: Labels, train_name: str, test_name: str, classes: tuple[str, ...] | None = None
) -> tuple[I64, I64, tuple[str, ...]]:
    """Number the classes by the training labels.

    Strings are numbered in sorted order. Integers must already be 0 to k - 1, each of them present in
    training, and are their own names unless `classes` names them.

    Args:
        train: axes (example,).
        test: axes (example,).
        train_name: what the user calls `train`, for errors.
        test_name: what the user calls `test`.
        classes: names in label order, for integer labels.

    Returns:
        Training labels, test labels, names.

    Raises:
        DataError: labels of another kind, gaps, fewer than two classes, or a test class without training
            examples.

    Example:
        >>> numbered(np.array(["b", "a"]), np.array(["b"]), "y_train", "y_test")
        (array([1, 0]), array([1]), ('a', 'b'))
    """
    if _is_text(train) != _is_text(test):
        raise DataError(
            f"expected {train_name} and {test_name} of one kind, integers or strings; got dtypes "
            f"{train.dtype} and {test.dtype}."
        )
    if _is_text(train):
        if classes:
            raise DataError(
                f"expected integer labels where an array classes names them; got strings in {train_name}. "
                "Leave out one of the two."
            )
        return _from_text(train, test, train_name, test_name)
    train_y, test_y = _integers(train, train_name), _integers(test, test_name)
    k = _count(train_y, train_name, classes)
    _known(np.isin(test_y, np.arange(k)), test_y, test_name, f"0 to {k - 1}")
    return train_y, test_y, classes or tuple(str(label) for label in range(k))


def _from_text(
    train: Labels, test: Labels, train_name: str, test_name: str
) -> tuple[I64, I64, tuple[str, ...]]:
    names, train_y = np.unique(train, return_inverse=True)
    _several(len(names), train_name)
    _known(np.isin(test, names), test, test_name, ", ".join(map(str, names)))
    return train_y.astype(np.int64), np.searchsorted(names, test).astype(np.int64), tuple(map(str, names))


def _is_text(labels: Labels) -> bool:
    return labels.dtype.kind == "U"


def _integers(labels: Labels, name: str) -> I64:
    """Labels as int64; floats are accepted where each is a whole number."""
    if labels.dtype.kind not in "biuf":
        raise DataError(f"expected labels as integers or strings; got dtype {labels.dtype} at {name}.")
    values = labels.astype(np.float64)
    whole = np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2**53)
    if not whole.all():
        at = int(np.argmin(whole))
        raise DataError(
            f"expected labels as integers 0 to k - 1; got {labels[at]} at {name}[{at}]. "
            "Number the classes, or give their names as strings."
        )
    return labels.astype(np.int64)


def _count(labels: I64, name: str, classes: tuple[str, ...] | None) -> int:
    """How many classes there are: k, where the labels present are exactly 0 to k - 1."""
    present = np.unique(labels)
    k = len(classes) if classes else len(present)
    _several(len(present), name)
    if not np.array_equal(present, np.arange(k)):
        wrong = sorted(set(present.tolist()) ^ set(range(k)))[0]
        found = (
            f"{wrong} at {name}[{np.argmax(labels == wrong)}]"
            if wrong in present
            else f"no {wrong} in {name}"
        )
        raise DataError(
            f"expected every label from 0 to {k - 1}, for {k} classes; got {found}. "
            "Number the classes from 0 without gaps, or give their names as strings."
        )
    return k


def _several(count: int, name: str) -> None:
    if count < 2:
        raise DataError(
            f"expected at least two classes; got {count} in {name}. There is nothing to tell apart."
        )


def _known(known: npt.NDArray[np.bool_], labels: Labels, name: str, expected: str) -> None:
    if not known.all():
        at = int(np.argmin(known))
        raise DataError(
            f"expected only classes that have training examples ({expected}); got {str(labels[at])!r} at "
            f"{name}[{at}]. Add training examples of it, or remove it from the test set."
        )
