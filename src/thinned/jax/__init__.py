"""Dropout and its relatives for JAX: the law's draws, as pure functions under every transformation."""

from thinned.extras import need

need("jax", "jax", "0.6")

from thinned.jax._branch import stochastic_depth as stochastic_depth
from thinned.jax._concrete import concrete_dropout as concrete_dropout
from thinned.jax._connect import drop_connect as drop_connect
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
from thinned.jax._trees import max_norm as max_norm
from thinned.jax._trees import mixout as mixout
from thinned.jax._trees import r_drop_loss as r_drop_loss
from thinned.jax._trees import weight_drop as weight_drop

__all__ = [
    "alpha_dropout",
    "concrete_dropout",
    "drop_block",
    "drop_connect",
    "drop_head",
    "drop_key",
    "dropout",
    "feature_alpha_dropout",
    "gaussian_dropout",
    "gaussian_noise",
    "keep",
    "max_norm",
    "mixout",
    "normal",
    "patch_dropout",
    "r_drop_loss",
    "stochastic_depth",
    "stochastic_relu",
    "uniform",
    "uniform_dropout",
    "weight_drop",
    "zoneout",
]
