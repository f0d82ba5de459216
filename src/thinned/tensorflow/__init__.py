"""Dropout for TensorFlow: the law's masks, eager, in `tf.function`, under XLA."""

from thinned.extras import need

need("tensorflow", "tensorflow", "2.18")

from thinned.tensorflow._functional import dropout as dropout

__all__ = ["dropout"]
