"""How far a mean may stray, with a proof; the library's own checks take their bounds from the same place."""

from thinned.methods.bounds import ALARM, stray, stray_of_share

__all__ = ["ALARM", "stray", "stray_of_share"]
