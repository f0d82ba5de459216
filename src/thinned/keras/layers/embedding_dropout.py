"""Embedding dropout as a layer: Keras' own look-up, which drops word types."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Drawing, Rated, Shape
from thinned.methods.embedding_dropout import rows_window
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class EmbeddingDropout(Drawing, Rated, keras.layers.Embedding):  # type: ignore[misc]
    """An embedding that zeroes whole rows of its matrix: a word is dropped wherever it occurs, or nowhere.

        y[i] = k[ids[i]] embeddings[ids[i]] / (1 - T / 65536),   T = round(65536 rate)

    It draws for the words of the batch alone: no masked matrix is made. The mask is of the matrix, and so the same
    wherever the rows of a batch lie. Evaluation is Keras' `Embedding`.

    Args:
        input_dim: rows of the matrix.
        output_dim: columns.
        rate: probability of dropping, as in `Dropout`.
        seed: of the free layer's generator, an integer in [0, 2^31); by default a random one.
        site: the name of its draws in a bound model; the layer's qualified name, by default.
        **kwargs: those of `Embedding`: `mask_zero`, initializer, `name`, `dtype`, ...

    Raises:
        AddressError: a seed outside [0, 2^31), or a site that is no name.
        RateError: a rate outside [0, 1], or so near to 0 or 1 that no threshold tells it from them.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.EmbeddingDropout(100, 4, rate=0.5)
        >>> y = layer(keras.ops.array([3, 8, 3]), training=True)
        >>> bool(keras.ops.all(y[0] == y[2]))
        True

    References:
        Gal, Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016,
        https://arxiv.org/abs/1512.05287; Merity, Keskar, Socher, "Regularizing and Optimizing LSTM Language
        Models", 2018, https://arxiv.org/abs/1708.02182.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        rate: float | Schedule = 0.1,
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, input_dim=input_dim, output_dim=output_dim, seed=seed, site=site, **kwargs)
        self.supports_masking = self.mask_zero

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """The rows, zero or scaled."""
        found = self.undrawn(x)
        rows = keras.ops.reshape(found, (-1, self.output_dim))
        ids = keras.ops.cast(x, "int32") if "int" not in keras.backend.standardize_dtype(x.dtype) else x
        ids = keras.ops.where(ids < 0, ids + self.input_dim, ids)
        window = rows_window(self.input_dim, self.output_dim, backend.ids(ids))
        rows = backend.run("dropout", rows, rate, share=(1,), window=window, **at[0])
        return keras.ops.reshape(rows, keras.ops.shape(found))

    def undrawn(self, x: Any) -> Any:
        """Keras' own."""
        return keras.layers.Embedding.call(self, x)

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        """Keras', which knows of no training."""
        return super().compute_output_spec(inputs)

    def mask_shapes(self, shape: Shape) -> list[tuple[int | None, ...]]:
        """A draw for each row of the matrix."""
        return [(self.input_dim, 1)]
