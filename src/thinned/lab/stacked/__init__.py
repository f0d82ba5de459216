"""Cohorts: many trials of one shape trained as one program, their parameters stacked on a leading axis."""

from thinned.lab.stacked.cohorts import groups as groups
from thinned.lab.stacked.cohorts import shape_of as shape_of
from thinned.lab.stacked.cohorts import stackable as stackable
from thinned.lab.stacked.training import train_stacked as train_stacked

__all__ = ["groups", "shape_of", "stackable", "train_stacked"]
