"""Dropout for JAX: the law's masks, as pure functions under every transformation."""

from thinned.extras import need

need("jax", "jax", "0.6")

from thinned.jax._functional import dropout as dropout
from thinned.jax._functional import uniform as uniform

__all__ = ["dropout", "uniform"]
