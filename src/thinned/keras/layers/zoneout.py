"""Zoneout as a layer: a recurrent network whose units keep, now and then, the value of the step before."""

from typing import Any

import keras
from keras.src import backend as keras_backend
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

from thinned.keras._backend import backend
from thinned.keras._binding import Draw, adopt
from thinned.keras._drawing import Drawing, Rated, Shape
from thinned.keras._rates import check_schedule, read, written
from thinned.mask.rate import LEVELS, threshold
from thinned.methods.locked_dropout import check_window
from thinned.methods.schedule import Schedule
from thinned.methods.zoneout import HIDDEN, MEMORY, expected


@keras.saving.register_keras_serializable(package="thinned")
class Zoneout(Drawing, Rated, keras.layers.RNN):  # type: ignore[misc]
    """A recurrent layer with zoneout: Keras' `RNN` of a cell, some of whose units keep their old value in training.

        h_t = k_t h'_t + (1 - k_t) h_{t-1},   k = mask.keep((time, batch, hidden), rate, ...)
        h_t = (1 - q) h'_t + q h_{t-1}   in evaluation

    and the same for the memory cell of an LSTM, with draws of its own; `h'` is what the cell computed, `q` the
    quantised rate. Nothing is scaled. The masks of a sequence are one logical array, time first, drawn before the
    loop, at the sites `name/hidden` and `name/cell`: those of `thinned.torch.Zoneout`.

    Args:
        cell: an `LSTMCell`, `GRUCell`, `SimpleRNNCell`, or another whose output is its first state.
        rate: probability that a unit of the hidden state keeps its old value, as in `Dropout`.
        rate_cell: the same for the memory cell of an LSTM; `rate` by default. The paper takes 0.5 beside 0.05.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: those of `RNN`: `return_sequences`, `return_state`, `go_backwards`, `name`, ...

    Raises:
        AddressError, RateError: as `Dropout`.
        BindError: a batch that is bound to lie along the axis of time.
        TypeError: several cells, or `rate_cell` with one that has no memory.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.Zoneout(keras.layers.LSTMCell(8), 0.05, 0.5, return_sequences=True)
        >>> tuple(layer(keras.ops.ones((2, 7, 4)), training=True).shape)
        (2, 7, 8)

    References:
        Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations", 2017,
        https://arxiv.org/abs/1606.01305.
    """

    def __init__(
        self,
        cell: Any,
        rate: float | Schedule = 0.1,
        rate_cell: float | Schedule | None = None,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, cell=cell, seed=seed, site=site, **kwargs)
        sizes = self.cell.state_size
        sizes = sizes if isinstance(sizes, (list, tuple)) else [sizes]
        if isinstance(self.cell, keras.layers.StackedRNNCells) or len(sizes) > 2:
            raise TypeError(
                f"expected one cell, such as LSTMCell, GRUCell or SimpleRNNCell; got {type(self.cell).__name__}. "
                "Give each cell a Zoneout of its own."
            )
        if rate_cell is not None and len(sizes) == 1:
            raise TypeError(
                f"expected rate_cell, the rate of the memory cell, with an LSTMCell only; got {rate_cell!r} with "
                f"{type(self.cell).__name__}."
            )
        check_schedule(rate_cell)
        if rate_cell is not None and not isinstance(rate_cell, Schedule):
            threshold(rate_cell)
        self.rate_cell = rate_cell
        self.parts = (HIDDEN, MEMORY)[: len(sizes)]
        self._sizes = tuple(sizes)

    def call(  # type: ignore[override]
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        """Run the cell over (batch, time, feature)."""
        return keras.layers.RNN.call(self, sequences, initial_state, mask, training)

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Keras' loop, which carries a mask for each state along with the sequence."""
        symbolic, rates = in_symbolic_scope(), self._rates()
        drops = bool(training) and not symbolic and any(rate != 0 for rate in rates)
        if self._binding is None and drops:
            adopt(self)
        draws = None if symbolic else self._draws(drops)
        kept = [] if draws is None else self._kept(sequences, draws)
        means = self._means(symbolic) if draws is None else []
        options = {"training": training} if self.cell._call_has_training_arg else {}

        def step(inputs: Any, states: Any) -> Any:
            x, *masks = inputs
            _, new = self.cell(x, list(states), **options)
            new = list(new) if isinstance(new, (list, tuple)) else [new]
            if draws is None:
                found = [_mean(*each) for each in zip(new, states, means, strict=True)]
            else:
                found = [keras.ops.where(*each) for each in zip(masks, new, states, strict=True)]
            return found[0], found

        return keras_backend.rnn(
            step,
            (sequences, *kept),
            initial_state,
            go_backwards=self.go_backwards,
            mask=mask,
            unroll=self.unroll,
            input_length=sequences.shape[1],
            zero_output_for_mask=self.zero_output_for_mask,
            return_all_outputs=self.return_sequences,
        )

    def mask_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """Time first."""
        return [(shape[1], shape[0], size) for size in self._sizes]

    def get_config(self) -> dict[str, Any]:
        """Ours, and the other rate."""
        return {**super().get_config(), "rate_cell": written(self.rate_cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """The reverse of `get_config`."""
        return super().from_config({**config, "rate_cell": read(config["rate_cell"])})

    def _rates(self) -> list[Any]:
        """One for each part."""
        return [self.rate, self.rate if self.rate_cell is None else self.rate_cell][: len(self.parts)]

    def _kept(self, x: Any, draws: list[Draw]) -> list[Any]:
        """For each part, which units take the new value: (batch, time, hidden), in the order of the loop."""
        window = self.window(x)
        check_window(x.shape, window, 1)
        batch, time = keras.ops.shape(x)[:2]
        found = []
        for draw, rate, size in zip(draws, self._rates(), self._sizes, strict=True):
            where = None if window is None else ((time, window[0][0], size), (0, window[1][0], 0))
            shape = (time, batch, size)
            kept = backend.keep(x, self._rate_at(draw.step, rate), shape, window=where, **draw._asdict())
            kept = keras.ops.transpose(kept, (1, 0, 2))
            found.append(keras.ops.flip(kept, 1) if self.go_backwards else kept)
        return found

    def _means(self, symbolic: bool) -> list[Any]:
        """For each part its quantised rate, in evaluation: a schedule's is that of the model's step."""
        found = []
        for rate in self._rates():
            if isinstance(rate, Schedule):
                step = None if self._binding is None else self._binding.step_of(self._site_name)
                found.append(0.0 if symbolic else self._rate_at(step, rate))
            else:
                found.append(threshold(rate) / LEVELS)
        return found


def _mean(new: Any, old: Any, rate: Any) -> Any:
    if isinstance(rate, float):
        return new if rate == 0 else expected(new, old, rate)
    return expected(new, old, keras.ops.cast(rate, new.dtype))
