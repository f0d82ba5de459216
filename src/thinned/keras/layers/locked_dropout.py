"""Locked dropout as a layer: one mask for all time steps."""

from typing import Any

import keras

from thinned.keras._drawing import Alike, Shape
from thinned.keras.layers.dropout import Bernoulli
from thinned.mask.sharing import Window
from thinned.methods.locked_dropout import check_window, time_axis
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class LockedDropout(Bernoulli, Alike):
    """Zero the same features of a sample at every time step in training: one draw along time.

        y[b, t, :] = k[b, :] x[b, t, :] / (1 - T / 65536),   T = round(65536 rate)

    Of sequences of vectors `SpatialDropout1D` is the same; here more axes may follow. Args and errors are those of
    `Dropout`, without `noise_shape`.

    Args:
        time_major: inputs are (time, batch, *rest), and not (batch, time, *rest).

    Raises:
        BindError: a batch that is bound to lie along the axis of time.
        ValueError: Keras' own, for an input with fewer than three axes.

    Example:
        >>> import keras, thinned.keras
        >>> y = thinned.keras.layers.LockedDropout(0.5)(keras.ops.ones((2, 7, 16)), training=True)
        >>> bool(keras.ops.all(y == y[:, :1]))
        True

    References:
        Gal, Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016,
        https://arxiv.org/abs/1512.05287. We differ: rescaling at training time.
    """

    arguments = ("time_major",)

    def __init__(
        self,
        rate: float | Schedule = 0.5,
        time_major: bool = False,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)
        self.time_major = time_major
        self.input_spec = keras.layers.InputSpec(min_ndim=3)

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """Time."""
        return (time_axis(len(shape), batch_first=not self.time_major),)

    def window(self, x: Any) -> Window | None:
        """Where the rows lie, which is not along time."""
        window = super().window(x)
        check_window(x.shape, window, *self.shared(x.shape))
        return window
