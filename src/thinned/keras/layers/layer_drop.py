"""LayerDrop as a layer: a stack, of which each step runs some layers."""

from collections.abc import Sequence
from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing, Rated, Shape
from thinned.keras.layers.stochastic_depth import check_layer
from thinned.methods.layer_drop import check_stride
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class LayerDrop(Drawing, Rated):
    """A stack that leaves each of its layers out, for the whole batch, with probability `rate` in training.

        x <- k[i] layer_i(x) + (1 - k[i]) x,   i = 0, 1, ...,   k = mask.keep((layers,), rate, ...)

    A dropped layer **is not run**, where `StochasticDepth` says that a dropped branch is not. Nothing is rescaled,
    as in the paper.

    Args:
        layers: each of one tensor to one tensor like it.
        rate: probability of dropping, as in `Dropout`.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: Keras' own: `name`, `dtype`, ...

    Raises:
        AddressError, BindError, RateError: as `Dropout`.
        TypeError: a part that is no layer.
        ValueError: when built, a layer whose result has not the shape of its input.

    Example:
        >>> import keras, thinned.keras
        >>> stack = thinned.keras.layers.LayerDrop([keras.layers.Dense(4) for _ in range(6)], 0.5)
        >>> tuple(stack(keras.ops.ones((2, 4)), training=True).shape), len(stack.keep_every(2).layers)
        ((2, 4), 3)

    References:
        Fan, Grave, Joulin, "Reducing Transformer Depth on Demand with Structured Dropout", 2020,
        https://arxiv.org/abs/1909.11556.
    """

    def __init__(
        self,
        layers: Sequence[Any],
        rate: float | Schedule = 0.2,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)
        self.layers = [check_layer("a part", layer) for layer in layers]

    def build(self, input_shape: Any) -> None:
        """Build all, and see that each can be left out."""
        for layer in self.layers:
            if not layer.built:
                layer.build(input_shape)
            found = tuple(layer.compute_output_shape(input_shape))
            if found != tuple(input_shape):
                raise ValueError(
                    f"expected layers that return a tensor of their input's shape, {tuple(input_shape)}, since any "
                    f"of them may be dropped; got {found} from {layer.name!r}."
                )
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """What the layers that are kept make of it."""
        x = keras.ops.convert_to_tensor(x)
        kept = backend.keep(x, rate, (len(self.layers),), **at[0])
        for place, layer in enumerate(self.layers):
            x = self._through(kept[place], layer, x)
        return x

    def undrawn(self, x: Any) -> Any:
        """All of them."""
        for layer in self.layers:
            x = layer(x)
        return x

    def keep_every(self, n: int) -> "LayerDrop":
        """A stack of layers 0, n, 2n, ...: the same layers, for inference with a part of the depth.

        Args:
            n: 1 keeps all, 2 every other one, as the paper prunes.

        Raises:
            ValueError: `n` is no whole number of at least 1.
        """
        check_stride(n)
        return LayerDrop(self.layers[::n], self.rate, site=self.site)

    def mask_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """A draw for each layer."""
        return [(len(self.layers),)]

    def get_config(self) -> dict[str, Any]:
        """Ours, and the layers inside."""
        written = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": written}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The reverse of `get_config`."""
        read = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return super().from_config({**config, "layers": read})

    def _through(self, kept: Any, layer: Any, x: Any) -> Any:
        def run() -> Any:
            return keras.ops.cast(layer(x), x.dtype)

        return backend.conditional(kept, run, lambda: x, [layer], x)
