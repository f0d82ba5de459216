"""Dropout and its relatives for TensorFlow: the law's draws, eager, in `tf.function`, under XLA."""

from thinned.extras import need

need("tensorflow", "tensorflow", "2.18")

from thinned.tensorflow._blocks import drop_block as drop_block
from thinned.tensorflow._connect import drop_connect as drop_connect
from thinned.tensorflow._functional import alpha_dropout as alpha_dropout
from thinned.tensorflow._functional import dropout as dropout
from thinned.tensorflow._functional import gaussian_dropout as gaussian_dropout
from thinned.tensorflow._functional import gaussian_noise as gaussian_noise
from thinned.tensorflow._functional import stochastic_relu as stochastic_relu
from thinned.tensorflow._functional import uniform_dropout as uniform_dropout
from thinned.tensorflow._raw import keep as keep
from thinned.tensorflow._raw import normal as normal
from thinned.tensorflow._raw import uniform as uniform
from thinned.tensorflow._select import drop_head as drop_head
from thinned.tensorflow._select import drop_key as drop_key
from thinned.tensorflow._select import patch_dropout as patch_dropout
from thinned.tensorflow._select import zoneout as zoneout

__all__ = [
    "alpha_dropout",
    "drop_block",
    "drop_connect",
    "drop_head",
    "drop_key",
    "dropout",
    "gaussian_dropout",
    "gaussian_noise",
    "keep",
    "normal",
    "patch_dropout",
    "stochastic_relu",
    "uniform",
    "uniform_dropout",
    "zoneout",
]
