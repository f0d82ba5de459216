"""Alpha dropout as a layer: Keras' own, with the law's masks."""

from collections.abc import Sequence
from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing, Shape
from thinned.keras._noise_shape import shared_by
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class AlphaDropout(Drawing, keras.layers.AlphaDropout):  # type: ignore[misc]
    """Set elements to SELU's lower limit with probability `rate` in training, and keep mean 0 and variance 1.

        y = a x + b where k, else a alpha' + b,   a = ((1 - q) (1 + q alpha'^2))^(-1/2),   b = -a q alpha'

    `q = T / 65536` is the quantised rate and `alpha'` is -1.7581. In a bound model `k` is
    `thinned.mask.keep(x.shape, rate, seed=seed, site=name, step=step)`. At rate 1, where Keras' layer divides by
    zero, nothing is left. Whole channels, `FeatureAlphaDropout`, are `noise_shape=(None, 1, 1, None)`.

    Args and errors are those of `Dropout`.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.AlphaDropout(0.5, seed=0)
        >>> [round(float(v), 4) for v in layer(keras.ops.zeros(4), training=True)]
        [0.7792, -0.7792, 0.7792, 0.7792]

    References:
        Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017,
        https://arxiv.org/abs/1706.02515.
    """

    def __init__(
        self,
        rate: float | Schedule,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, noise_shape=noise_shape, seed=seed, site=site, **kwargs)

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """Where `noise_shape` is 1."""
        return shared_by(self.noise_shape, shape)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The limit, or the input, and the affine map."""
        share, window = self.shared(x.shape), self.window(x)
        return backend.run("alpha_dropout", x, rate, share=share, window=window, **at[0])
