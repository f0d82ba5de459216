"""Concrete dropout as a layer: it holds the layer that it stands before, and learns its rate."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing, Rated, Shape
from thinned.methods.concrete_dropout import check_positive, factor, logit_of, penalty

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


@keras.saving.register_keras_serializable(package="thinned")
class ConcreteDropout(Drawing, Rated):
    """A dense layer or convolution behind a dropout whose rate is learned.

        y = layer(x (1 - z) / (1 - p)),   z = sigmoid((log(p / (1 - p)) + log((1 - u) / u)) / t)

    `u = thinned.mask.uniform(x.shape, seed=seed, site=name, step=step)` in a bound model, one draw for all
    positions before a convolution. The regulariser, without which the rate `p` would fall to 0, is added to the
    model's losses in training:

        w ||W||^2 / (1 - p)  +  d K (p log p + (1 - p) log(1 - p)),   K inputs, or a convolution's channels

    Args:
        layer: `Dense`, or a convolution of one to three dimensions.
        rate: the rate to begin with, between 0 and 1; `layer.learned` is what it has become.
        weight_regulariser: `w`. The paper's is `l^2 / (2 N)`, for a prior of length scale `l` and `N` samples.
        dropout_regulariser: `d`. The paper's is `1 / N`.
        temperature: `t`, how soft the mask is.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: Keras' own: `name`, `dtype`, ...

    Raises:
        AddressError: a seed outside [0, 2^31), or a site that is no name.
        RateError: a rate that is not between 0 and 1, a schedule, or a factor that is no such number.
        TypeError: another layer.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.ConcreteDropout(keras.layers.Dense(4), 0.2)
        >>> y = layer(keras.ops.ones((8, 16)), training=True)
        >>> round(layer.learned, 6), len(layer.losses)
        (0.2, 1)

    References:
        Gal, Hron, Kendall, "Concrete Dropout", 2017, https://arxiv.org/abs/1705.07832. We differ: `u` stands for
        their `1 - u`, so that the mask becomes dropout's as the temperature falls; and the bias is not regularised.
    """

    arguments = ("weight_regulariser", "dropout_regulariser", "temperature")

    def __init__(
        self,
        layer: Any,
        rate: float = 0.1,
        weight_regulariser: float = 1e-6,
        dropout_regulariser: float = 1e-5,
        temperature: float = 0.1,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        logit_of(rate)
        super().__init__(rate, seed=seed, site=site, **kwargs)
        if not isinstance(layer, (keras.layers.Dense, *_CONVOLUTIONS)):
            raise TypeError(
                "expected a Dense layer, or a convolution of one to three dimensions, to learn the dropout of; got "
                f"{type(layer).__name__}."
            )
        self.layer = layer
        self.weight_regulariser = check_positive("weight_regulariser", weight_regulariser, zero=True)
        self.dropout_regulariser = check_positive("dropout_regulariser", dropout_regulariser, zero=True)
        self.temperature = check_positive("a temperature", temperature)

    def build(self, input_shape: Any) -> None:
        """Make the rate's logit, and build the layer."""
        if not self.layer.built:
            self.layer.build(input_shape)
        start = keras.initializers.Constant(logit_of(self.rate))
        self.p_logit = self.add_weight(shape=(1,), initializer=start, name="p_logit", autocast=False)
        self.built = True

    @property
    def learned(self) -> float:
        """The rate as it is now."""
        return float(keras.ops.stop_gradient(keras.ops.sigmoid(self.p_logit))[0]) if self.built else self.rate

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The layer's."""
        return self.layer.compute_output_shape(input_shape)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The layer behind relaxed dropout."""
        exact = "float64" if keras.backend.standardize_dtype(x.dtype) == "float64" else "float32"
        logit = keras.ops.cast(self.p_logit, exact)
        u = keras.ops.cast(backend.uniform(x, self.shared(x.shape), self.window(x), **at[0]), exact)
        noise = keras.ops.log1p(-u) - keras.ops.log(u)
        factors = factor(logit, noise, self.temperature, keras.ops.sigmoid)
        thinned = keras.ops.cast(keras.ops.cast(x, exact) * factors, x.dtype)
        self.add_loss(self._penalty(logit, x.shape[self._channel]))
        return self.layer(thinned)

    def undrawn(self, x: Any) -> Any:
        """The layer."""
        return self.layer(x)

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """The positions of a convolution."""
        if not isinstance(self.layer, _CONVOLUTIONS):
            return ()
        channel = self._channel % len(shape)
        return tuple(axis for axis in range(1, len(shape)) if axis != channel)

    def stated_rate(self, step: int = 0) -> float:
        """The rate as it is now."""
        return self.learned

    def get_config(self) -> dict[str, Any]:
        """Ours, and the layer inside."""
        return {**super().get_config(), "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The reverse of `get_config`."""
        return super().from_config(
            {**config, "layer": keras.saving.deserialize_keras_object(config["layer"])}
        )

    @property
    def _channel(self) -> int:
        return 1 if getattr(self.layer, "data_format", None) == "channels_first" else -1

    def _penalty(self, logit: Any, inputs: int) -> Any:
        kernel = keras.ops.cast(self.layer.kernel, logit.dtype)
        found = penalty(
            logit,
            keras.ops.sum(keras.ops.square(kernel)),
            inputs,
            self.weight_regulariser,
            self.dropout_regulariser,
            keras.ops.sigmoid,
            keras.ops.log_sigmoid,
        )
        return keras.ops.sum(found)
