"""Stochastic ReLU as a layer: a rectifier that is off at random."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing, Rated
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class StochasticReLU(Drawing, Rated, keras.layers.ReLU):  # type: ignore[misc]
    """A ReLU that is off with probability `rate` in training, and scaled where it is on.

        y = k max(x, 0) / (1 - T / 65536),   T = round(65536 rate)

    In a bound model `k` is `thinned.mask.keep(x.shape, rate, seed=seed, site=name, step=step)`. Evaluation is
    `max(x, 0)`, the expectation.

    Args and errors are those of `Dropout`, without `noise_shape`.

    Example:
        >>> import keras, thinned.keras
        >>> layer, x = thinned.keras.layers.StochasticReLU(0.5, seed=0), keras.ops.array([-1.0, 1.0] * 4)
        >>> [float(v) for v in layer(x, training=True)]
        [0.0, 0.0, 0.0, 2.0, 0.0, 2.0, 0.0, 2.0]
        >>> [float(v) for v in layer(x[:2])]
        [0.0, 1.0]

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def __init__(
        self, rate: float | Schedule = 0.5, seed: int | None = None, site: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """Off, or scaled."""
        return backend.run("stochastic_relu", x, rate, window=self.window(x), **at[0])

    def undrawn(self, x: Any) -> Any:
        """A plain rectifier."""
        return keras.ops.relu(x)

    def get_config(self) -> dict[str, Any]:
        """Keras', without what makes other rectifiers."""
        others = ("max_value", "negative_slope", "threshold")
        return {name: value for name, value in super().get_config().items() if name not in others}
