"""Gaussian dropout as a layer: Keras' own, with the law's draws."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class GaussianDropout(Drawing, keras.layers.GaussianDropout):  # type: ignore[misc]
    """Multiply by a normal of mean 1 and dropout's variance in training: Keras' `GaussianDropout`.

        y = x (1 + z sqrt(q / (1 - q))),   q = round(65536 rate) / 65536

    In a bound model `z` is `thinned.mask.normal(x.shape, seed=seed, site=name, step=step)`. At rate 1, where the
    variance has no limit and Keras' layer divides by zero, nothing is left.

    Args and errors are those of `Dropout`, without `noise_shape`.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.GaussianDropout(0.5, seed=0)
        >>> [round(float(v), 4) for v in layer(keras.ops.ones(3), training=True)]
        [1.9911, 0.0753, 0.3824]

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", section 10, JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def __init__(
        self, rate: float | Schedule, seed: int | None = None, site: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The input times its draws."""
        return backend.run("gaussian_dropout", x, rate, window=self.window(x), **at[0])
