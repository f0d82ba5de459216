"""Dropout as a pure function of an address.

    mask = f(seed, site, step, draw, element)

The same mask, bit for bit, in every framework and on every device; no generator state, no stored mask.
`thinned.mask` is the law; `thinned.torch` and its neighbours apply it; `thinned.lab` asks when it helps.
Importing this package imports no framework.
"""

import importlib
from typing import Any

from thinned import mask as mask
from thinned.methods import catalogue as catalogue
from thinned.methods.schedule import cosine as cosine
from thinned.methods.schedule import early as early
from thinned.methods.schedule import late as late
from thinned.methods.schedule import linear as linear
from thinned.methods.site import Sites

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "audit",
    "catalogue",
    "cosine",
    "early",
    "late",
    "linear",
    "mask",
    "sites",
    "verify",
]

_ROOMS = (
    "conformance",
    "diagnosis",
    "flax",
    "jax",
    "keras",
    "kernels",
    "lab",
    "mxnet",
    "numpy",
    "report",
    "tensorflow",
    "torch",
    "uncertainty",
)

_FRAMEWORKS = {"keras": "keras", "flax": "flax", "torch": "torch", "mxnet": "mxnet"}
"""Who has models, by package; Keras first, because its layers are also those of its backend."""


_FUNCTIONS = {"audit": "diagnosis", "verify": "conformance"}
"""Functions of rooms that open when they are asked for."""


def __getattr__(name: str) -> Any:
    """Rooms open when they are named: `thinned.torch` imports PyTorch, `import thinned` does not."""
    if name in _ROOMS:
        return importlib.import_module(f"thinned.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"thinned.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'thinned' has no attribute {name!r}")


def sites(model: Any, *inputs: Any) -> Sites:
    """The places of a model where something is dropped: name, site id, rate and mask shape of each.

    Args:
        model: of PyTorch, Flax (NNX or Linen), Keras or Gluon.
        *inputs: of one call of the model; with them the table knows the masks' shapes. Nothing is trained, and
            no step is taken.

    Raises:
        TypeError: a model of no framework that has layers.

    Example:
        >>> import torch, thinned.torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), thinned.torch.Dropout(0.5))
        >>> print(thinned.sites(model, torch.ones(2, 4)))
        name        site  rate  mask shape
        1     1941079659   0.5  (2, 8)
    """
    packages = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    for package, room in _FRAMEWORKS.items():
        if package in packages:
            found: Sites = importlib.import_module(f"thinned.{room}").sites(model, *inputs)
            return found
    raise TypeError(
        "expected a model of PyTorch, Flax, Keras or Gluon; got an object of type "
        f"{type(model).__module__}.{type(model).__qualname__}."
    )
