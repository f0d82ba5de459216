"""What a model is called with: made from a shape, read from a file, compared between the two modes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thinned.errors import AuditError

SEED = 20140615


@dataclass(frozen=True)
class Scale:
    """How large an input's numbers are.

    Args:
        name: of the argument.
        low, high: the extremes.
        mean, spread: mean and standard deviation.
        dtype: as NumPy or the framework names it.
    """

    name: str
    low: float
    high: float
    mean: float
    spread: float
    dtype: str

    def __str__(self) -> str:
        """In a sentence of evidence."""
        return f"{self.low:.4g}..{self.high:.4g}, mean {self.mean:.4g}, deviation {self.spread:.4g} ({self.dtype})"


def scales(example: Any) -> list[Scale]:
    """The scale of each array in an example input, by argument."""
    items = example.items() if isinstance(example, Mapping) else enumerate(example) if isinstance(
        example, (tuple, list)) else [(0, example)]  # fmt: skip
    found = []
    for name, value in items:
        array = _as_array(value)
        if array is not None and array.size:
            numbers = array.astype(np.float64)
            label = name if isinstance(name, str) else f"input {name}"
            low, high, mean, spread = map(
                float, (numbers.min(), numbers.max(), numbers.mean(), numbers.std())
            )
            dtype = str(getattr(value, "dtype", array.dtype)).removeprefix("torch.")
            found.append(Scale(label, low, high, mean, spread, dtype))
    return found


def _as_array(value: Any) -> Any:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() else value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return None
    return array if array.dtype.kind in "fiub" else None


def natural(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """An input of a shape in [0, 1], float32: for images, noise whose neighbours are alike as those of photographs.

    Their amplitude falls as 1/f (Field 1987); white noise would hide that dropout on feature maps is weak, because
    its neighbours tell nothing of each other. Shapes with fewer than four axes get independent uniform numbers.

    Example:
        >>> natural((2, 3, 8, 8)).shape
        (2, 3, 8, 8)

    References:
        Field, "Relations between the statistics of natural images and the response properties of cortical
        cells", 1987, https://doi.org/10.1364/JOSAA.4.002379.
    """
    rng = np.random.default_rng(SEED)
    if len(shape) < 4:
        return rng.random(shape).astype(np.float32)
    axes = tuple(range(2, len(shape)))
    frequencies = np.meshgrid(*(np.fft.fftfreq(shape[axis]) * shape[axis] for axis in axes), indexing="ij")
    radius = np.sqrt(np.sum(np.square(frequencies), axis=0))
    spectrum = np.fft.fftn(rng.standard_normal(shape), axes=axes) / np.maximum(radius, 1.0)
    images = np.fft.ifftn(spectrum, axes=axes).real
    low, high = images.min(axis=axes, keepdims=True), images.max(axis=axes, keepdims=True)
    return np.asarray((images - low) / np.where(high > low, high - low, 1.0), dtype=np.float32)


def read(text: str) -> Any:
    """An example input from what stands after `--input`.

    Args:
        text: sizes separated by commas, for one float input, or the path of an `.npy` or `.npz` file, whose arrays
            are the keyword arguments; an archive's arrays called `arr_0`, `arr_1`, ... are positional.

    Returns:
        An array, a tuple of arrays or a dictionary of them, of NumPy.

    Raises:
        AuditError: neither a shape nor a file that can be read.
    """
    path = Path(text)
    if path.suffix in {".npy", ".npz"}:
        try:
            held = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise AuditError(f"expected a file of arrays; {text} cannot be read: {error}.") from error
        if isinstance(held, np.ndarray):
            return held
        arrays = {name: held[name] for name in held.files}
        if all(name.startswith("arr_") for name in arrays):
            return tuple(arrays.values())
        return arrays
    try:
        shape = tuple(int(word) for word in text.split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise AuditError(
            "expected sizes separated by commas, such as 8,3,32,32, or the path of an .npy or .npz "
            f"file; got {text!r}."
        )
    return natural(shape)


def for_torch(example: Any) -> Any:
    """NumPy's arrays as PyTorch's tensors; anything else as it is."""
    import torch

    if isinstance(example, np.ndarray):
        return torch.from_numpy(example.copy())
    if isinstance(example, Mapping):
        return {name: for_torch(value) for name, value in example.items()}
    if isinstance(example, (tuple, list)):
        return tuple(for_torch(value) for value in example)
    return example
