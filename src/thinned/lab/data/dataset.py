"""What every study reads: four arrays in memory, the names of the classes, and where they came from."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

F32: TypeAlias = npt.NDArray[np.float32]
I64: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """A classification task, whole and in memory.

    The loaders check what they hand out: the pixels and numbers are finite, every label is in [0, k), every
    class has training examples, and the parts have equal lengths and feature axes.

    Args:
        name: what was asked for, as a study's record names it.
        train_x: float32, axes (example, *features); images are scaled to [0, 1].
        train_y: int64, axes (example,), from 0 to k - 1.
        test_x: as `train_x`.
        test_y: as `train_y`.
        classes: the names of the k classes, in label order.
        source: a sentence that says where the arrays came from.
    """

    name: str
    train_x: F32 = field(repr=False)
    train_y: I64 = field(repr=False)
    test_x: F32 = field(repr=False)
    test_y: I64 = field(repr=False)
    classes: tuple[str, ...]
    source: str
