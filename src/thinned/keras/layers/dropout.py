"""Dropout as a layer: Keras' own, with the law's masks."""

from collections.abc import Sequence
from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing, Shape
from thinned.keras._noise_shape import shared_by
from thinned.methods.schedule import Schedule


class Bernoulli(Drawing):
    """Dropout whose draws are shared along the axes that a subclass says."""

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """Zero, or scaled."""
        return backend.run("dropout", x, rate, share=self.shared(x.shape), window=self.window(x), **at[0])


@keras.saving.register_keras_serializable(package="thinned")
class Dropout(Bernoulli, keras.layers.Dropout):  # type: ignore[misc]
    """Zero elements with probability `rate` in training: Keras' `Dropout` with the law's masks.

        y = k x / (1 - T / 65536),   T = round(65536 rate)

    A free layer draws a fresh key from a `keras.random.SeedGenerator` at each call, so `seed` and
    `keras.utils.set_random_seed` govern it; with the same `seed` it has the same masks on every backend. In a
    bound model its mask is `thinned.mask.keep(x.shape, rate, seed=seed, site=name, step=step)`.

    Args:
        rate: probability of dropping, 0 <= rate <= 1; may be set later (`layer.rate = 0`), before a function that
            uses it is compiled. Or a schedule of the step, in a bound model.
        noise_shape: shape of the mask: 1 where one draw is shared, the input's size or None elsewhere.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: Keras' own: `name`, `dtype`, ...

    Raises:
        AddressError: a seed outside [0, 2^31), or a site that is no name.
        BindError: when called in training, a schedule in a free layer, which has no step.
        RateError: a rate outside [0, 1], or so near to 0 or 1 that no threshold tells it from them.
        ShareError: when called, a `noise_shape` that does not fit the input.
        TypeError: an argument that is not known, where Keras has a ValueError.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.Dropout(0.5, seed=0)
        >>> [float(v) for v in layer(keras.ops.ones(8), training=True)]
        [2.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
        >>> [float(v) for v in layer(keras.ops.ones(3))]
        [1.0, 1.0, 1.0]

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
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
