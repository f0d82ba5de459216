"""WeightDrop as a layer: a recurrent network whose hidden-to-hidden weights are thinned once a sequence."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing, Rated, Shape
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class WeightDrop(Drawing, Rated):
    """Drop single hidden-to-hidden weights with probability `rate` in training, one mask for all steps and samples.

        h_t = f(w x_t + (s k u) h_(t-1)),   s = 1 / (1 - T / 65536),   T = round(65536 rate)

    The layer's weights stay the raw ones at every moment: a call computes with a thinned copy, in a
    `keras.StatelessScope`, so the optimiser, saving and constraints see plain weights. `layer.layer` is the network
    that it was given, and may be used by itself. The mask is drawn in the order (gates hidden, hidden), in which
    PyTorch keeps the matrix: in a bound model it is that of `thinned.torch.WeightDrop` at the site
    `name/weight_hh_l0`, for an LSTM or a simple network, whose gates have PyTorch's order too.

    Args:
        layer: an `LSTM`, `GRU` or `SimpleRNN`, or an `RNN` of such a cell.
        rate: probability of dropping a weight, as in `Dropout`.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: Keras' own: `name`, `dtype`, ...

    Raises:
        AddressError, RateError: as `Dropout`.
        TypeError: another layer.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.WeightDrop(keras.layers.LSTM(20, return_sequences=True), 0.5)
        >>> tuple(layer(keras.ops.ones((3, 5, 10)), training=True).shape)
        (3, 5, 20)

    References:
        Merity, Keskar, Socher, "Regularizing and Optimizing LSTM Language Models", 2018,
        https://arxiv.org/abs/1708.02182. Wan et al., "Regularization of Neural Networks using DropConnect",
        ICML 2013, https://proceedings.mlr.press/v28/wan13.html.
    """

    parts = ("weight_hh_l0",)

    def __init__(
        self,
        layer: Any,
        rate: float | Schedule = 0.5,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)
        cells = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)
        if not isinstance(layer, keras.layers.RNN) or not isinstance(layer.cell, cells):
            raise TypeError(
                f"expected an LSTM, GRU or SimpleRNN, or an RNN of such a cell; got {type(layer).__name__}. For a "
                "dense layer there is thinned.keras.layers.DropConnect."
            )
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        """Build the network."""
        if not self.layer.built:
            self.layer.build(input_shape)
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The network's."""
        return self.layer.compute_output_shape(input_shape)

    def call(  # type: ignore[override]
        self, inputs: Any, mask: Any = None, training: bool = False
    ) -> Any:
        """Run the network, in training with thinned weights."""
        return super().call((inputs, mask), training)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The network's."""
        return self.layer.compute_mask(inputs, mask)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The network, with thinned weights."""
        weight = self.layer.cell.recurrent_kernel
        thinned = backend.run("dropout", keras.ops.transpose(weight), rate, **at[0])
        # Every variable, since a scope does not look into the one around it, such as that of Keras' trainer on JAX.
        states = keras.tree.flatten(self.layer.states) if self.layer.stateful else []
        every = {id(variable): variable for variable in (*self.layer.variables, *states)}.values()
        mapping = [(variable, variable.value) for variable in every if variable is not weight]
        mapping.append((weight, keras.ops.transpose(thinned)))
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            before = {id(variable): scope.get_current_value(variable) for variable, _ in mapping}
            y = self.undrawn(x)
        for variable, _ in mapping:  # states of the network, or generators, that it has moved on
            after = scope.get_current_value(variable)
            if after is not before[id(variable)]:
                variable.assign(after)
        for loss in scope.losses:
            self.add_loss(loss)
        return y

    def undrawn(self, x: Any) -> Any:
        """The network itself."""
        inputs, mask = x
        return self.layer(inputs, mask=mask)

    def mask_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """Of the recurrent matrix, as PyTorch keeps it."""
        if not self.layer.built:
            return [None]  # type: ignore[list-item]
        return [tuple(self.layer.cell.recurrent_kernel.shape[::-1])]

    def get_config(self) -> dict[str, Any]:
        """Ours, and the network."""
        return {**super().get_config(), "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The reverse of `get_config`."""
        return super().from_config(
            {**config, "layer": keras.saving.deserialize_keras_object(config["layer"])}
        )
