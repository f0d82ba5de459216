"""Batchwise dropout as a layer: one thinned network for a batch, or one for each of its groups."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Alike, Drawing, Shape
from thinned.methods.batch import Batch
from thinned.methods.batch_dropout import check_axis, check_groups, place
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class BatchDropout(Drawing, Alike):
    """Zero the same units for all samples of a batch, or of each of its groups, in training.

        y = k x / (1 - T / 65536),   k[g(r), u] = mask.keep((groups, units), rate, ...)
        g(r) = floor(r groups / B)

    for row r of the B rows of the *global* batch and unit u. Positions between them share a draw. Args and errors
    are those of `Dropout`, without `noise_shape`.

    Args:
        groups: how many thinned networks a batch has: contiguous groups of samples, equal to within one.
        axis: where the units are; the last, by default.

    Raises:
        ShareError: `groups` below 1, or an `axis` that is no whole number; in a call, an input without that axis,
            or with the batch on it.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.BatchDropout(0.5, groups=2, seed=0)
        >>> y = layer(keras.ops.ones((4, 8)), training=True)
        >>> bool(keras.ops.all(y[0] == y[1])), bool(keras.ops.all(y[1] == y[2]))
        (True, False)

    References:
        Graham, Reizenstein, Robinson, "Efficient batchwise dropout training using submatrices", 2015,
        https://arxiv.org/abs/1502.02478. We differ: rescaling at training time, and groups.
    """

    arguments = ("groups", "axis")

    def __init__(
        self,
        rate: float | Schedule = 0.5,
        groups: int = 1,
        axis: int = -1,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)
        self.groups = check_groups(groups)
        self.axis = check_axis(axis)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """Zero, or scaled."""
        batch, shape = self._batch(), keras.ops.shape(x)
        xp = backend.counting(shape[0 if batch is None else batch[0]])
        share, window = place(shape, self.groups, axis=self.axis, batch=batch, xp=xp)
        return backend.run("dropout", x, rate, share=share, window=window, **at[0])

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """All but the units, for one group."""
        return place(shape, axis=self.axis, batch=self._batch())[0]

    def mask_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """As many rows as there are groups."""
        batch = self._batch()
        mask = list(super().mask_shapes(shape)[0])
        mask[0 if batch is None else batch[0]] = self.groups
        return [tuple(mask)]

    def _batch(self) -> Batch | None:
        return None if self._binding is None else self._binding.batch
