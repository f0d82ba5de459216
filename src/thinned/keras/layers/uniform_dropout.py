"""Uniform dropout as a layer."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Alike, Drawing
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class UniformDropout(Drawing, Alike):
    """Multiply by a uniform draw of mean 1 and dropout's variance in training.

        y = x (1 + w (2 u - 1)),   w = sqrt(3 q / (1 - q)),   q = round(65536 rate) / 65536

    In a bound model `u` is `thinned.mask.uniform(x.shape, seed=seed, site=name, step=step)`. At 1/4 this is
    `y = 2 u x`, the paper's law; above it factors may be negative. At rate 1 nothing is left.

    Args and errors are those of `Dropout`, without `noise_shape`.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.UniformDropout(0.25, seed=0)
        >>> [round(float(v), 4) for v in layer(keras.ops.ones(3), training=True)]
        [1.819, 0.7981, 1.5434]

    References:
        Shen, Tian, Liu, Xu, Tao, "Continuous Dropout", 2018, https://arxiv.org/abs/1911.12675. We differ: the width
        follows the rate.
    """

    def __init__(
        self, rate: float | Schedule, seed: int | None = None, site: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The input times its draws."""
        return backend.run("uniform_dropout", x, rate, window=self.window(x), **at[0])
