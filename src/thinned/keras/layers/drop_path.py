"""Drop path as a layer: the residual branch of a sample, kept or dropped as a whole."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Alike, Shape
from thinned.keras.layers.dropout import Bernoulli
from thinned.methods.drop_path import rest_axes
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class DropPath(Bernoulli, Alike):
    """Zero whole samples of a residual branch in training: one draw for all but the axis of the batch.

        y[b] = k[b] x[b] / (1 - T / 65536),   T = round(65536 rate)

    The batch is axis 0, or the one that `bind(batch=(axis, size, start))` says. Args and errors are those of
    `Dropout`, without `noise_shape`.

    Args:
        scale_by_keep: divide by the share that is kept; without it, evaluation sees larger values than training.

    Example:
        >>> import keras, thinned.keras
        >>> y = thinned.keras.layers.DropPath(0.5)(keras.ops.ones((100, 3, 4)), training=True)
        >>> sorted({float(v) for v in y[:, 0, 0]}), float(keras.ops.max(keras.ops.std(y, axis=(1, 2))))
        ([0.0, 2.0], 0.0)

    References:
        Larsson, Maire, Shakhnarovich, "FractalNet: Ultra-Deep Neural Networks without Residuals", 2017,
        https://arxiv.org/abs/1605.07648, for the name; Huang et al., "Deep Networks with Stochastic Depth", 2016,
        https://arxiv.org/abs/1603.09382, for a single branch. We differ: a draw a sample, not a batch, and
        rescaling at training time.
    """

    arguments = ("scale_by_keep",)

    def __init__(
        self,
        rate: float | Schedule = 0.5,
        scale_by_keep: bool = True,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)
        self.scale_by_keep = scale_by_keep

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """All but the batch."""
        batch = None if self._binding is None else self._binding.batch
        return rest_axes(len(shape), 0 if batch is None else batch[0])

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """Nothing, or the sample, scaled or as it is."""
        if self.scale_by_keep:
            return super().drawn(x, rate, *at)
        kept = backend.keep(x, rate, share=self.shared(x.shape), window=self.window(x), **at[0])
        return keras.ops.where(kept, x, keras.ops.zeros_like(x))
