"""Layers: Keras' own, with the law's masks. Free until their model is bound."""

from collections.abc import Sequence
from typing import Any

import keras
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

from thinned.errors import AddressError
from thinned.keras._backend import backend
from thinned.keras._binding import Binding, Draw, adopt
from thinned.keras._noise_shape import shared_by
from thinned.mask.rate import threshold
from thinned.methods.schedule import Schedule
from thinned.methods.site import check_site

__all__ = ["Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"]


class _Layer(keras.layers.Dropout):  # type: ignore[misc]
    """What all of them share; a subclass says along which axes a draw is shared."""

    is_thinned = True
    rate: float
    site: str | None = None
    _binding: Binding | None = None
    _site_name = ""

    def __init__(self, *args: Any, site: str | None = None, **kwargs: Any) -> None:
        check_site(site)
        _check_seed(kwargs.get("seed"))
        if isinstance(rate := args[0] if args else kwargs.get("rate"), Schedule):
            threshold(rate)  # type: ignore[arg-type]  # which is no number, and Keras would compare it with some
        super().__init__(*args, **kwargs)
        threshold(self.rate)
        self.site = site
        remember(self, kwargs.get("name") is None)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop in training, return `inputs` itself in evaluation and at rate 0."""
        if in_symbolic_scope():
            return inputs  # Keras asks for shapes: that is no draw
        drops = bool(training) and self.rate != 0
        if self._binding is None and drops:
            adopt(self)
        binding = self._binding
        if binding is None:
            return self._free(inputs) if drops else inputs
        draw = binding.use(self._site_name, drops)
        return inputs if draw is None else self._drop(inputs, draw, binding.window(inputs))

    def rematerialized_call(self, layer_call: Any, *args: Any, **kwargs: Any) -> Any:
        """`layer_call` itself: nothing is kept for the backward pass but the address."""
        return layer_call

    def get_config(self) -> dict[str, Any]:
        """Keras' own; the site, where one was given; and whether Keras made the name up."""
        config: dict[str, Any] = super().get_config()
        if self.site is not None:
            config["site"] = self.site
        if vars(self)["_has_automatic_name"]:
            config["automatic_name"] = True
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The reverse of `get_config`."""
        config = dict(config)
        is_automatic = config.pop("automatic_name", False)
        layer = super().from_config(config)
        remember(layer, is_automatic)
        return layer

    def shared(self, shape: Sequence[int | None]) -> tuple[int, ...]:
        """The axes of an input of this shape that one draw is shared along.

        Raises:
            ShareError: a `noise_shape` that does not fit.
        """
        raise NotImplementedError

    def _free(self, x: Any) -> Any:
        seed = backend.seed(self.seed_generator.next())
        return self._drop(x, Draw(seed, 0, 0), None)

    def _drop(self, x: Any, draw: Draw, window: Any) -> Any:
        share = self.shared(tuple(x.shape))
        return backend.drop(x, self.rate, **draw._asdict(), share=share, window=window)


def _check_seed(seed: Any) -> None:
    """Refuse what the backends' generators would take in different ways, or not at all."""
    if isinstance(seed, int) and not 0 <= seed < 1 << 31:
        raise AddressError(
            f"expected a free layer's seed in [0, 2^31), which Keras' generators have on every backend; got "
            f"{seed}. thinned.keras.bind takes 64 bits."
        )


def remember(layer: Any, is_automatic: bool) -> None:
    """Note whether Keras made a layer's name up, and see that it can draw when its rate is set later."""
    # Past Keras' __setattr__, which would track what needs no tracking.
    vars(layer)["_has_automatic_name"] = is_automatic
    if not hasattr(layer, "seed_generator"):  # Keras makes none at rate 0
        layer._tracker.unlock()
        layer.seed_generator = keras.random.SeedGenerator(layer.seed)
        layer._tracker.lock()


@keras.saving.register_keras_serializable(package="thinned")
class Dropout(_Layer):
    """Zero elements with probability `rate` in training: Keras' `Dropout` with the law's masks.

        y = k x / (1 - T / 65536),   T = round(65536 rate)

    A free layer draws a fresh key from a `keras.random.SeedGenerator` at each call, so `seed` and
    `keras.utils.set_random_seed` govern it; with the same `seed` it has the same masks on every backend. In a
    bound model its mask is `thinned.mask.keep(x.shape, rate, seed=seed, site=name, step=step)`.

    Args:
        rate: probability of dropping, 0 <= rate <= 1; may be set later (`layer.rate = 0`), before a function that
            uses it is compiled.
        noise_shape: shape of the mask: 1 where one draw is shared, the input's size or None elsewhere.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: Keras' own: `name`, `dtype`, ...

    Raises:
        AddressError: a seed outside [0, 2^31), or a site that is no name.
        RateError: a rate so near to 0 or 1 that no threshold tells it from them.
        ShareError: when called, a `noise_shape` that does not fit the input.
        ValueError: Keras' own, for a rate outside [0, 1].

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
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, noise_shape=noise_shape, seed=seed, site=site, **kwargs)

    def shared(self, shape: Sequence[int | None]) -> tuple[int, ...]:
        """Where `noise_shape` is 1."""
        return shared_by(self.noise_shape, shape)


@keras.saving.register_keras_serializable(package="thinned")
class SpatialDropout1D(_Layer, keras.layers.SpatialDropout1D):  # type: ignore[misc]
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
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        site: str | None = None,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype, site=site)

    def shared(self, shape: Sequence[int | None]) -> tuple[int, ...]:
        """Time."""
        return (1,)


class _Planes(_Layer):
    """Spatial dropout of two and three dimensions, which knows two orders of axes."""

    data_format: str

    def shared(self, shape: Sequence[int | None]) -> tuple[int, ...]:
        """Positions."""
        first = 2 if self.data_format == "channels_first" else 1
        return tuple(range(first, first + len(shape) - 2))


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
        rate: float,
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
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        site: str | None = None,
    ) -> None:
        super().__init__(rate, data_format=data_format, seed=seed, name=name, dtype=dtype, site=site)
