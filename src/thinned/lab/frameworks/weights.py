"""The weights that every framework begins with: drawn by the law, exchanged as a safetensors file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from thinned import mask
from thinned.lab.frameworks.setting import LINEAR

Array: TypeAlias = npt.NDArray[Any]
Weights: TypeAlias = Mapping[str, Array]
"""Float32 arrays by name: `lin1.weight` with axes (output, input), `lin1.bias`, ..."""

DEVIATION = 0.01

_DTYPES = {"F32": np.float32, "I64": np.int64}


def drawn(features: int, hidden: int, classes: int, seed: int) -> dict[str, Array]:
    """Normal weights with the chapter's deviation, and biases 0; each array's site is its name.

    Example:
        >>> {name: array.shape for name, array in drawn(64, 256, 10, seed=0).items()}
        {'lin1.weight': (256, 64), 'lin1.bias': (256,), 'lin2.weight': (256, 256), 'lin2.bias': (256,), ...}
    """
    widths = (features, hidden, hidden, classes)
    found: dict[str, Array] = {}
    for name, inputs, outputs in zip(LINEAR, widths, widths[1:], strict=False):
        site = f"{name}.weight"
        found[site] = (DEVIATION * mask.normal((outputs, inputs), seed=seed, site=site)).astype(np.float32)
        found[f"{name}.bias"] = np.zeros(outputs, np.float32)
    return found


def moved(weights: Weights, restart: int, seed: int) -> dict[str, Array]:
    """Each weight moved by one unit in its last place, up or down by the toss of a coin; biases stay 0.

    The neighbour of 0 is 1e-45, which many processors flush to 0: it would move nothing, or not everywhere.

    Args:
        weights: where from.
        restart: which of the restarts; 0 moves nothing.
        seed: of the coins.
    """
    if restart == 0:
        return dict(weights)
    return {
        name: _neighbour(array, mask.keep(array.shape, 0.5, seed=seed, site=f"{name}/ulp", step=restart))
        if array.any()
        else array
        for name, array in weights.items()
    }


def _neighbour(array: Array, up: npt.NDArray[np.bool_]) -> Array:
    return np.asarray(np.nextafter(array, np.where(up, np.inf, -np.inf).astype(array.dtype)))


def save(arrays: Weights, path: Path) -> None:
    """Write a safetensors file."""
    from safetensors.numpy import save_file  # only here: MXNet's environment reads, and does not have it

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def load(path: Path) -> dict[str, Array]:
    """Read a safetensors file of float32 and int64 arrays: a length, a header in JSON, then the bytes.

    References:
        https://huggingface.co/docs/safetensors, "Format".
    """
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(content[start:][slice(*about["data_offsets"])], _DTYPES[about["dtype"]]).reshape(
            about["shape"]
        )
        for name, about in header.items()
    }
