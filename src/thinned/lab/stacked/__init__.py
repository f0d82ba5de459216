"""Cohorts: many trials of one shape trained as one program, their parameters stacked on a leading axis.

What can be stacked is known without PyTorch: `choice` and `cohorts` decide, and `training` trains.
"""

from typing import TYPE_CHECKING, Any

from thinned.lab.stacked.cohorts import groups as groups
from thinned.lab.stacked.cohorts import shape_of as shape_of
from thinned.lab.stacked.cohorts import stackable as stackable

if TYPE_CHECKING:
    from thinned.lab.stacked.training import train_stacked as train_stacked

__all__ = ["groups", "shape_of", "stackable", "train_stacked"]


def __getattr__(name: str) -> Any:
    """Open what trains only where something is trained."""
    if name == "train_stacked":
        from thinned.lab.stacked.training import train_stacked

        return train_stacked
    raise AttributeError(f"module 'thinned.lab.stacked' has no attribute {name!r}")
