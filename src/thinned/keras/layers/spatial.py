"""Spatial dropout as layers: whole channels, one draw for all positions."""

from typing import Any

import keras

from thinned.keras._drawing import Shape
from thinned.keras.layers.dropout import Bernoulli
from thinned.methods.drop_block import position_axes
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class SpatialDropout1D(Bernoulli, keras.layers.SpatialDropout1D):  # type: ignore[misc]
    """Zero whole channels of (batch, time, channel): one draw for all times.

    Args and errors are those of `Dropout`, without `noise_shape`.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.SpatialDropout1D(0.5)
        >>> float(keras.ops.max(keras.ops.std(layer(keras.ops.ones((2, 4, 3)), training=True), axis=1)))
        0.0

    References:
        Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient Object Localization Using Convolutional Networks",
        2015, https://arxiv.org/abs/1411.4280.
    """

    def __init__(
        self,
        rate: float | Schedule,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        site: str | None = None,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype, site=site)

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """Time."""
        return (1,)


class _Planes(Bernoulli):
    """Spatial dropout of two and three dimensions, which knows two orders of axes."""

    data_format: str

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """Positions."""
        return position_axes(len(shape), 1 if self.data_format == "channels_first" else -1)


@keras.saving.register_keras_serializable(package="thinned")
class SpatialDropout2D(_Planes, keras.layers.SpatialDropout2D):  # type: ignore[misc]
    """Zero whole channels of (batch, row, column, channel): one draw for all positions.

    Args and errors are those of `Dropout`, without `noise_shape`.

    Args:
        data_format: "channels_last", or "channels_first" for (batch, channel, row, column); Keras' setting, by
            default.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.SpatialDropout2D(0.5)
        >>> float(keras.ops.max(keras.ops.std(layer(keras.ops.ones((2, 4, 4, 3)), training=True), axis=(1, 2))))
        0.0

    References:
        Tompson et al., 2015, https://arxiv.org/abs/1411.4280.
    """

    def __init__(
        self,
        rate: float | Schedule,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        site: str | None = None,
    ) -> None:
        super().__init__(rate, data_format=data_format, seed=seed, name=name, dtype=dtype, site=site)


@keras.saving.register_keras_serializable(package="thinned")
class SpatialDropout3D(_Planes, keras.layers.SpatialDropout3D):  # type: ignore[misc]
    """Zero whole channels of (batch, depth, row, column, channel): one draw for all positions.

    Args and errors are those of `Dropout`, without `noise_shape`; `data_format` is that of `SpatialDropout2D`.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.SpatialDropout3D(0.5)
        >>> y = layer(keras.ops.ones((2, 2, 2, 2, 3)), training=True)
        >>> float(keras.ops.max(keras.ops.std(y, axis=(1, 2, 3))))
        0.0

    References:
        Tompson et al., 2015, https://arxiv.org/abs/1411.4280.
    """

    def __init__(
        self,
        rate: float | Schedule,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        site: str | None = None,
    ) -> None:
        super().__init__(rate, data_format=data_format, seed=seed, name=name, dtype=dtype, site=site)
