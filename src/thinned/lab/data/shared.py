"""One copy of the data for all worker processes of a machine: pages of memory that they map, and nobody copies."""

import mmap
import os
import sys
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from thinned.lab.data.dataset import Data

ARRAYS = ("train_x", "train_y", "test_x", "test_y")
ALIGNED = 64
"""Bytes that each array begins at a multiple of, as NumPy's own do."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Shared:
    """Data that other processes of this machine can map, as long as this object lives.

    Args:
        descriptor: of an open file without a name, which a child process must inherit. It is gone with the last
            process that has it, however that ends.
        layout: plain values that say what lies in it, for `attach`.
    """

    descriptor: int
    layout: Mapping[str, Any]


def share(data: Data) -> Shared | None:
    """Lay the data where child processes can map it; None on a system where a child inherits no file.

    Raises:
        OSError: there is no room.
    """
    if sys.platform == "win32":
        return None
    arrays = {name: np.ascontiguousarray(getattr(data, name)) for name in ARRAYS}
    layout: dict[str, Any] = {"name": data.name, "classes": list(data.classes), "source": data.source}
    end = 0
    for name, array in arrays.items():
        layout[name] = {"at": end, "dtype": array.dtype.str, "shape": list(array.shape)}
        end += -(-array.nbytes // ALIGNED) * ALIGNED
    descriptor = _nameless()
    try:
        os.ftruncate(descriptor, max(end, 1))
        with mmap.mmap(descriptor, max(end, 1)) as memory:
            for name, array in arrays.items():
                _view(memory, layout[name])[...] = array
    except BaseException:
        os.close(descriptor)
        raise
    shared = Shared(descriptor, layout)
    weakref.finalize(shared, os.close, descriptor)
    return shared


def attach(descriptor: int, layout: Mapping[str, Any]) -> Data:
    """The data that another process has shared.

    What is written into these arrays, which nobody should, stays this process's own.

    Example:
        >>> from thinned.lab.data import load
        >>> from thinned.lab.provenance import fingerprint
        >>> one = share(load("digits"))
        >>> one is None or fingerprint(attach(one.descriptor, one.layout)) == fingerprint(load("digits"))
        True
    """
    memory = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
    arrays = {name: _view(memory, layout[name]) for name in ARRAYS}
    return Data(name=layout["name"], classes=tuple(layout["classes"]), source=layout["source"], **arrays)


def _view(memory: mmap.mmap, place: Mapping[str, Any]) -> Any:
    dtype, shape = np.dtype(place["dtype"]), tuple(place["shape"])
    count = int(np.prod(shape))
    return np.frombuffer(memory, dtype, count, place["at"]).reshape(shape)


def _nameless() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("thinned-data")  # pages of memory, and no disk
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
