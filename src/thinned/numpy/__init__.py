"""Dropout for NumPy: the law's masks, by the CPU kernel."""

from thinned.numpy._functional import dropout as dropout

__all__ = ["dropout"]
