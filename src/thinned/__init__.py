"""Dropout as a pure function of an address.

    mask = f(seed, site, step, draw, element)

The same mask, bit for bit, in every framework and on every device; no generator state, no stored mask.
`thinned.mask` is the law; `thinned.torch` and its neighbours apply it; `thinned.lab` asks when it helps.
Importing this package imports no framework.
"""

import importlib
from types import ModuleType

from thinned import mask as mask
from thinned.methods import catalogue as catalogue

__version__ = "0.1.0"
__all__ = ["__version__", "catalogue", "mask"]

_ROOMS = ("kernels", "lab", "numpy", "report", "torch")


def __getattr__(name: str) -> ModuleType:
    """Rooms open when they are named: `thinned.torch` imports PyTorch, `import thinned` does not."""
    if name in _ROOMS:
        return importlib.import_module(f"thinned.{name}")
    raise AttributeError(f"module 'thinned' has no attribute {name!r}")
