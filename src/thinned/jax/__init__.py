"""Dropout and its relatives for JAX: the law's draws, as pure functions under every transformation."""

from thinned.extras import need

need("jax", "jax", "0.6")

from thinned.jax._branch import stochastic_depth as stochastic_depth
from thinned.jax._functional import alpha_dropout as alpha_dropout
from thinned.jax._functional import drop_block as drop_block
from thinned.jax._functional import dropout as dropout
from thinned.jax._functional import feature_alpha_dropout as feature_alpha_dropout
from thinned.jax._functional import gaussian_dropout as gaussian_dropout
from thinned.jax._functional import gaussian_noise as gaussian_noise
from thinned.jax._functional import stochastic_relu as stochastic_relu
from thinned.jax._functional import uniform_dropout as uniform_dropout
from thinned.jax._raw import keep as keep
from thinned.jax._raw import normal as normal
from thinned.jax._raw import uniform as uniform
from thinned.jax._select import drop_head as drop_head
from thinned.jax._select import drop_key as drop_key
from thinned.jax._select import zoneout as zoneout
from thinned.jax._subset import patch_dropout as patch_dropout

__all__ = [
    "alpha_dropout",
    "drop_block",
    "drop_head",
    "drop_key",
    "dropout",
    "feature_alpha_dropout",
    "gaussian_dropout",
    "gaussian_noise",
    "keep",
    "normal",
    "patch_dropout",
    "stochastic_depth",
    "stochastic_relu",
    "uniform",
    "uniform_dropout",
    "zoneout",
]
