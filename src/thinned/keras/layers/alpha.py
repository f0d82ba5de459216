"""Alpha dropout as a layer: Keras' own, with the law's masks."""

from collections.abc import Sequence
from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._data_format import channel_axis, checked_format
from thinned.keras._drawing import Alike, Drawing, Shape
from thinned.keras._noise_shape import shared_by
from thinned.methods.alpha import feature_axes
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class AlphaDropout(Drawing, keras.layers.AlphaDropout):  # type: ignore[misc]
    """Set elements to SELU's lower limit with probability `rate` in training, and keep mean 0 and variance 1.

        y = a x + b where k, else a alpha' + b,   a = ((1 - q) (1 + q alpha'^2))^(-1/2),   b = -a q alpha'

    `q = T / 65536` is the quantised rate and `alpha'` is -1.7581. In a bound model `k` is
    `thinned.mask.keep(x.shape, rate, seed=seed, site=name, step=step)`. At rate 1, where Keras' layer divides by
    zero, nothing is left. Of whole channels it is `FeatureAlphaDropout`.

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


@keras.saving.register_keras_serializable(package="thinned")
class FeatureAlphaDropout(Drawing, Alike):
    """Set whole channels to SELU's lower limit in training: one draw for all positions of a channel.

        y = a x + b where k, else a alpha' + b

    with the constants of `AlphaDropout`, and `k` shared by all axes but those of batch and channel. Args and errors
    are those of `Dropout`, without `noise_shape`.

    Args:
        data_format: "channels_last", or "channels_first", which has the masks of
            `thinned.torch.FeatureAlphaDropout`; Keras' setting, by default.

    Raises:
        ShareError: an input with fewer than two axes.
        ValueError: another `data_format`.

    Example:
        >>> import keras, thinned.keras
        >>> y = thinned.keras.layers.FeatureAlphaDropout(0.5)(keras.ops.ones((2, 4, 4, 3)), training=True)
        >>> float(keras.ops.max(keras.ops.std(y, axis=(1, 2))))
        0.0

    References:
        Klambauer, Unterthiner, Mayr, Hochreiter, "Self-Normalizing Neural Networks", 2017,
        https://arxiv.org/abs/1706.02515.
    """

    arguments = ("data_format",)

    def __init__(
        self,
        rate: float | Schedule = 0.5,
        data_format: str | None = None,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)
        self.data_format = checked_format(data_format)

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """Positions."""
        return feature_axes(len(shape), channel_axis(self.data_format))

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The limit, or the input, and the affine map."""
        share, window = self.shared(x.shape), self.window(x)
        return backend.run("alpha_dropout", x, rate, share=share, window=window, **at[0])
