"""Gaussian noise as a layer: Keras' own, with the law's draws."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing
from thinned.methods.law import check_size
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class GaussianNoise(Drawing, keras.layers.GaussianNoise):  # type: ignore[misc]
    """Add a normal of mean 0 and standard deviation `stddev` in training: Keras' `GaussianNoise`.

        y = x + stddev z

    In a bound model `z` is `thinned.mask.normal(x.shape, seed=seed, site=name, step=step)`.

    Args:
        stddev: the standard deviation, 0 <= stddev <= 1, as Keras has it; one that is set later may be larger. Or
            a schedule of the step, in a bound model.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: Keras' own: `name`, `dtype`, ...

    Raises:
        AddressError: a seed outside [0, 2^31), or a site that is no name.
        BindError: when called in training, a schedule in a free layer, which has no step.
        RateError: a standard deviation that is negative or no finite number.
        ValueError: Keras' own, for one above 1.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.GaussianNoise(1.0, seed=0)
        >>> [round(float(v), 4) for v in layer(keras.ops.zeros(3), training=True)]
        [0.9911, -0.9247, -0.6176]

    References:
        Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995,
        https://doi.org/10.1162/neco.1995.7.1.108.
    """

    word = "stddev"

    def __init__(
        self, stddev: float | Schedule, seed: int | None = None, site: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(stddev, seed=seed, site=site, **kwargs)

    def check(self, amount: Any) -> None:
        """Refuse what is no standard deviation.

        Raises:
            RateError: it is negative or no finite number.
        """
        check_size(amount)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The input and its draws."""
        return backend.run("gaussian_noise", x, rate, window=self.window(x), **at[0])
