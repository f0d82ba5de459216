"""From arrays as they came to `Data`: every promise of `Data` is checked here, once, for every loader."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from thinned.errors import DataError
from thinned.lab.data.dataset import F32, Data
from thinned.lab.data.labels import numbered


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Training or test examples as they came, with the names that an error gives to their arrays.

    Args:
        x_name: what the user calls `x`.
        x: numbers, axes (example, *features); uint8 means pixels and is divided by 255.
        y_name: what the user calls `y`.
        y: integers or strings, axes (example,).
    """

    x_name: str
    x: npt.NDArray[np.generic]
    y_name: str
    y: npt.NDArray[np.generic]


def checked(
    name: str, train: Part, test: Part, *, source: str, classes: tuple[str, ...] | None = None
) -> Data:
    """Check two parts and make them `Data`.

    Args:
        name: of the data.
        train: the training part.
        test: the test part.
        source: where they came from.
        classes: their names in label order; None reads them off the labels.

    Raises:
        DataError: features or labels that no study can use; the message names the array and the position.

    Example:
        >>> part = Part("x", np.eye(4), "y", np.array(["no", "yes", "no", "yes"]))
        >>> checked("toy", part, part, source="By hand.").classes
        ('no', 'yes')
    """
    train_x, test_x = _features(train), _features(test)
    if train_x.shape[1:] != test_x.shape[1:]:
        raise DataError(
            f"expected the same feature axes in {train.x_name} and {test.x_name}; got {train_x.shape[1:]} "
            f"and {test_x.shape[1:]} in {name}. Bring both to one shape."
        )
    _one_label_each(train, name)
    _one_label_each(test, name)
    train_y, test_y, names = numbered(train.y, test.y, train.y_name, test.y_name, classes)
    return Data(name, train_x, train_y, test_x, test_y, names, source)


def _one_label_each(part: Part, name: str) -> None:
    if part.y.ndim != 1:
        hint = " If they are one-hot, pass y.argmax(axis=1)." if part.y.ndim == 2 else ""
        raise DataError(
            f"expected one label for each example, axes (example,); got shape {part.y.shape} at "
            f"{part.y_name} of {name}.{hint}"
        )
    if len(part.x) != len(part.y):
        raise DataError(
            f"expected as many labels as examples; got {len(part.x)} examples in {part.x_name} and "
            f"{len(part.y)} labels in {part.y_name} of {name}."
        )


def _features(part: Part) -> F32:
    """The features as finite float32."""
    x = part.x
    if x.dtype.kind not in "biuf":
        raise DataError(f"expected real numbers; got dtype {x.dtype} at {part.x_name}. Convert them first.")
    if x.ndim < 2 or x.size == 0:
        raise DataError(
            f"expected axes (example, *features), none of them empty; got shape {x.shape} at {part.x_name}."
        )
    if x.dtype == np.uint8:
        pixels = x.astype(np.float32)
        pixels /= np.float32(255)  # in place: np.divide(x, 255, dtype=float32) takes ten times as long
        return pixels
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is named below
        found: F32 = np.ascontiguousarray(x, np.float32)
    finite = np.isfinite(found)
    if not finite.all():
        where = tuple(int(i) for i in np.unravel_index(np.argmin(finite), found.shape))
        raise DataError(
            f"expected finite numbers; got {x[where]} at {part.x_name}{list(where)}, the first of "
            f"{finite.size - np.count_nonzero(finite)}. Remove, replace or rescale them."
        )
    return found
