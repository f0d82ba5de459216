"""The laboratory: questions about regularisers, asked of data with paired seeds, answered with intervals."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thinned.lab.configuration import Configuration as Configuration
    from thinned.lab.confirm import Tuning as Tuning
    from thinned.lab.own import TorchTask as TorchTask
    from thinned.lab.sequential import Until as Until
    from thinned.lab.study import Study as Study

__all__ = ["Configuration", "Study", "TorchTask", "Tuning", "Until"]

_ROOMS = {
    "Configuration": "configuration",
    "Study": "study",
    "TorchTask": "own",
    "Tuning": "confirm",
    "Until": "sequential",
}


def __getattr__(name: str) -> Any:
    """Open what is named: processes that train in one framework need no other, and no statistics."""
    if name in _ROOMS:
        return getattr(importlib.import_module(f"thinned.lab.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'thinned.lab' has no attribute {name!r}")
