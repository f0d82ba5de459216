"""DropKey as a layer: keys that a query cannot see in this step."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Alike, Drawing
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class DropKey(Drawing, Alike):
    """Hide keys from queries before the softmax: each logit of attention becomes -inf with probability `rate`.

        y = x where k else -inf

    **A row whose every allowed key would be dropped is left as it is**; a key is allowed if its logit is not -inf
    already. Masks that Keras adds are large and finite: `thinned.keras.layers.MultiHeadAttention` knows of them.
    The softmax normalises what is left; in evaluation it is the identity. Args and errors are those of `Dropout`,
    without `noise_shape`.

    Example:
        >>> import keras, thinned.keras
        >>> y = thinned.keras.layers.DropKey(0.5, seed=0)(keras.ops.zeros((4, 4)), training=True)
        >>> bool(keras.ops.all(keras.ops.isfinite(keras.ops.softmax(y)))), bool(keras.ops.any(keras.ops.isinf(y)))
        (True, True)

    References:
        Li, Hu, Nie, Han, Jiang, Guo, Liu, "DropKey for Vision Transformer", 2023,
        https://arxiv.org/abs/2208.02646. We differ: no query loses all its keys.
    """

    def __init__(
        self, rate: float | Schedule = 0.5, seed: int | None = None, site: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The logit, or -inf."""
        return backend.run("drop_key", x, rate, window=self.window(x), **at[0])
