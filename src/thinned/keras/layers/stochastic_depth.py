"""Stochastic depth as a layer: a residual branch that is run in some steps, and in the others costs nothing."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing, Rated, Shape
from thinned.mask.rate import scale, threshold
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class StochasticDepth(Drawing, Rated):
    """A residual block that leaves its branch out, for the whole batch, with probability `rate` in training.

        y = shortcut(x) + k branch(x) / (1 - T / 65536),   T = round(65536 rate),   k the mask's only element

    A dropped branch **is not run**: eager, and in compiled functions of JAX and TensorFlow (`lax.cond`, `tf.cond`);
    its weights have gradients of zero then. It is run and masked, to the same numbers without the saving, under
    `torch.compile`, and in compiled functions of JAX where it changes a state or adds to the loss: a
    BatchNormalization, a layer with a generator of its own, an activity regulariser. (Ours have none in a bound
    model.) Evaluation gives `shortcut(x) + branch(x)`.

    Args:
        branch: a layer, of one tensor to one tensor like `shortcut(x)`.
        rate: probability of dropping, as in `Dropout`.
        shortcut: a layer; by default the identity.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: Keras' own: `name`, `dtype`, ...

    Raises:
        AddressError, BindError, RateError: as `Dropout`.
        TypeError: a branch that is no layer.
        ValueError: when built, a branch whose result has not the shape of the shortcut's.

    Example:
        >>> import keras, thinned.keras
        >>> block = thinned.keras.layers.StochasticDepth(keras.layers.Dense(2), 1.0)
        >>> block(keras.ops.ones((1, 2)), training=True).tolist()
        [[1.0, 1.0]]

    References:
        Huang, Sun, Liu, Sedra, Weinberger, "Deep Networks with Stochastic Depth", 2016,
        https://arxiv.org/abs/1603.09382. We differ: rescaling at training time rather than at test time; and the
        ReLU behind their sum is yours to add.
    """

    def __init__(
        self,
        branch: Any,
        rate: float | Schedule = 0.5,
        shortcut: Any = None,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)
        self.branch = check_layer("a branch", branch)
        self.shortcut = None if shortcut is None else check_layer("a shortcut", shortcut)

    def build(self, input_shape: Any) -> None:
        """Build both, and compare their shapes."""
        for layer in (self.branch, self.shortcut):
            if layer is not None and not layer.built:
                layer.build(input_shape)
        expected = self.compute_output_shape(input_shape)
        found = tuple(self.branch.compute_output_shape(input_shape))
        if found != tuple(expected):
            raise ValueError(
                f"expected a branch that returns a tensor like the shortcut's, of shape {tuple(expected)}; "
                f"got {found} from {self.branch.name!r}. Give a shortcut=..., a layer that maps the input to that "
                "shape."
            )
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shortcut's."""
        return input_shape if self.shortcut is None else self.shortcut.compute_output_shape(input_shape)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The shortcut, and where it is kept, the branch on its scale."""
        short, kept = self._short(x), backend.keep(x, rate, (1,), **at[0])

        def run() -> Any:
            branch = self.branch(x)
            return short + keras.ops.cast(branch * keras.ops.cast(factor_of(rate), branch.dtype), short.dtype)

        inside = [layer for layer in (self.branch,) if layer is not None]
        return backend.conditional(kept[0], run, lambda: short, inside, x)

    def undrawn(self, x: Any) -> Any:
        """Both."""
        short = self._short(x)
        return short + keras.ops.cast(self.branch(x), short.dtype)

    def mask_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """One draw."""
        return [(1,) * len(shape)]

    def get_config(self) -> dict[str, Any]:
        """Ours, and the layers inside."""
        inside = {"branch": self.branch, "shortcut": self.shortcut}
        written = {name: keras.saving.serialize_keras_object(layer) for name, layer in inside.items()}
        return {**super().get_config(), **written}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The reverse of `get_config`."""
        read = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("branch", "shortcut")}
        return super().from_config({**config, **read})

    def _short(self, x: Any) -> Any:
        return keras.ops.convert_to_tensor(x) if self.shortcut is None else self.shortcut(x)


def check_layer(what: str, layer: Any) -> Any:
    """Refuse what is no layer.

    Raises:
        TypeError: says what it must be.
    """
    if not isinstance(layer, keras.Layer):
        raise TypeError(
            f"expected {what} that is a Keras layer; got {type(layer).__name__}. Wrap a function in "
            "keras.layers.Lambda, or write it as the call of a layer."
        )
    return layer


def factor_of(rate: Any) -> Any:
    """What a kept branch is multiplied by: a number, or a tensor where the rate follows the step."""
    if isinstance(rate, (int, float)):
        return scale(threshold(rate))
    left = 1 - rate
    return keras.ops.where(left > 0, 1 / keras.ops.where(left > 0, left, 1), 0)
