"""Cohorts: many trials of one shape trained as one program, their parameters stacked on a leading axis."""

from thinned.lab.stacked.cohorts import cohorts, shape_of, stackable
from thinned.lab.stacked.training import train_stacked

__all__ = ["cohorts", "shape_of", "stackable", "train_stacked"]
