"""DropConnect as a layer: Keras' `Dense`, whose weights are thinned."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing, Rated, Shape
from thinned.methods.dropconnect import PER, check_choice, example_window
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class DropConnect(Drawing, Rated, keras.layers.Dense):  # type: ignore[misc]
    """Drop single weights with probability `rate` in training: Keras' `Dense` with a thinned kernel.

        y = a(s (k w) x + s k' b),   s = 1 / (1 - T / 65536),   T = round(65536 rate)

    One mask serves the whole batch, or, as in the paper, each example has its own. Weights are drawn in the order
    (out, in), as PyTorch keeps them: in a bound model `k` is `thinned.mask.keep((units, in), rate, seed=seed,
    site="name/weight", step=step)`, transposed, or of (batch, units, in), and `k'` that of the bias at `name/bias`,
    so one address has the masks of `thinned.torch.DropConnectLinear`. Evaluation is that of `Dense`.

    Args:
        units: size of the last axis of the output.
        rate: probability of dropping a weight, 0 <= rate <= 1, or a schedule of the step; may be set later. The
            paper's `p` is the probability of keeping.
        activation: `a`, as `Dense` takes it.
        use_bias: whether there is one.
        drop_bias: whether it is dropped too, as in the paper.
        per: "batch" or "example": who has a mask of its own. Per example, PyTorch's CPU kernel draws where it
            multiplies, JAX computes one example after the other, and TensorFlow makes a copy of the weights for
            each.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: those of `Dense`: initializers, regularizers, constraints, `name`, `dtype`, ...

    Raises:
        ConfigurationError: another word for `per`.
        AddressError: a seed outside [0, 2^31), or a site that is no name.
        RateError: a rate outside [0, 1], or so near to 0 or 1 that no threshold tells it from them.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.DropConnect(3, 0.5, kernel_initializer="ones", seed=0)
        >>> layer.build((None, 4))
        >>> y = keras.ops.stop_gradient(layer(keras.ops.ones((2, 4)), training=True))
        >>> [[float(v) for v in row] for row in y]
        [[6.0, 8.0, 4.0], [6.0, 8.0, 4.0]]

    References:
        Wan, Zeiler, Zhang, LeCun, Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013,
        https://proceedings.mlr.press/v28/wan13.html. We differ: rescaling at training time, and a mask for the
        batch where theirs is one for each example, by default.
    """

    arguments = ("drop_bias", "per")

    def __init__(
        self,
        units: int,
        rate: float | Schedule = 0.5,
        activation: Any = None,
        use_bias: bool = True,
        drop_bias: bool = True,
        per: str = "batch",
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rate, units=units, activation=activation, use_bias=use_bias, seed=seed, site=site, **kwargs
        )
        self.drop_bias = drop_bias
        self.per = check_choice("per", per, PER)
        self.parts = ("weight", "bias") if use_bias and drop_bias else ("weight",)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The thinned layer's."""
        if self._is_per_example(x.shape):
            return self._each(x, rate, *at)
        kernel = backend.run("dropout", keras.ops.transpose(self.kernel), rate, **at[0])
        y = keras.ops.matmul(x, keras.ops.transpose(kernel))
        if self.use_bias:
            bias = keras.ops.convert_to_tensor(self.bias)
            y = keras.ops.add(y, backend.run("dropout", bias, rate, **at[1]) if self.drop_bias else bias)
        return y if self.activation is None else self.activation(y)

    def undrawn(self, x: Any) -> Any:
        """Keras' own."""
        return keras.layers.Dense.call(self, x)

    def mask_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """Of the weight, and of the bias."""
        copies = tuple(shape[:1]) if self._is_per_example(shape) else ()
        return [(*copies, self.units, shape[-1]), (*copies, self.units)][: len(self.parts)]

    def _is_per_example(self, shape: Shape) -> bool:
        return self.per == "example" and len(shape) > 1

    def _each(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """By a mask of each example."""
        window, weight = self.window(x), keras.ops.transpose(self.kernel)
        where = example_window(window, 0, self.units, x.shape[-1])
        y = backend.run("drop_connect", x, weight, rate, window=where, **at[0])
        if self.use_bias:
            bias = keras.ops.convert_to_tensor(self.bias)
            if self.drop_bias:
                copies = keras.ops.broadcast_to(bias, (keras.ops.shape(x)[0], self.units))
                own = backend.run(
                    "dropout", copies, rate, window=example_window(window, 0, self.units), **at[1]
                )
                bias = keras.ops.reshape(own, (-1, *(1,) * (len(x.shape) - 2), self.units))
            y = keras.ops.add(y, bias)
        return y if self.activation is None else self.activation(y)
