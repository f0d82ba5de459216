"""Embedding dropout for NNX and Linen: Flax's own look-up, which drops word types."""

from dataclasses import field
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax import nnx
from jax import Array

import thinned.jax
from thinned.flax._drawing import Drawing
from thinned.flax._kinds import At, Kind
from thinned.flax._linen import Scoped
from thinned.methods.embedding_dropout import rows_window
from thinned.methods.schedule import Schedule, check_rate


class Rows(Kind):
    """Whole rows of a matrix: its methods are given ids and the rows that were looked up."""

    num_embeddings: int
    features: int

    def mask_shapes(self, x: Any) -> list[tuple[str, tuple[int, ...]]]:
        return [("", (self.num_embeddings, 1))]

    def undrawn(self, x: Any) -> Any:
        return x[1]

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        ids, found = x
        # Negative ids count from the end, as in the look-up; of what lies outside, NaN there, no draw matters.
        ids = jnp.where(ids < 0, ids + self.num_embeddings, ids).reshape(-1)
        window = rows_window(self.num_embeddings, self.features, ids)
        rows = found.reshape(-1, self.features)
        return thinned.jax.dropout(rows, rate, share=1, window=window, **at()).reshape(found.shape)


class EmbeddingDropout(Drawing, Rows, nnx.Embed):
    """An embedding that zeroes whole rows of its matrix: a word is dropped wherever it occurs, or nowhere.

        y[i] = k[ids[i]] embedding[ids[i]] / (1 - T / 65536),   T = round(65536 rate)

    It equals a look-up in `thinned.jax.dropout(embedding, rate, share=1)`, and draws for the words of the batch
    alone: no masked matrix is made. `attend` takes the whole matrix.

    Args:
        num_embeddings: rows of the matrix.
        features: columns.
        rate: probability of dropping, as in `Dropout`.
        deterministic: True in evaluation, as in `Dropout`.
        rng_collection: the stream of `rngs` that keys are taken from.
        rngs: for the matrix, and for a free layer's draws.
        site: the name of its draws in a bound model; its path by default.
        **kwargs: of `nnx.Embed`.

    Raises:
        RateError: as `Dropout`.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> layer = thinned.flax.EmbeddingDropout(100, 4, rate=0.5, rngs=nnx.Rngs(0))
        >>> y = layer(jnp.array([3, 8, 3]))
        >>> bool((y[0] == y[2]).all())
        True

    References:
        Gal, Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016,
        https://arxiv.org/abs/1512.05287; Merity, Keskar, Socher, "Regularizing and Optimizing LSTM Language
        Models", 2018, https://arxiv.org/abs/1708.02182.
    """

    def __init__(
        self,
        num_embeddings: int,
        features: int,
        rate: float | Schedule = 0.1,
        *,
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: nnx.Rngs,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        nnx.Embed.__init__(self, num_embeddings, features, rngs=rngs, **kwargs)
        Drawing.__init__(
            self, deterministic=deterministic, rng_collection=rng_collection, rngs=rngs, site=site
        )
        self.rate = check_rate(rate)

    def __call__(  # type: ignore[override]
        self,
        inputs: Any,
        *,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | Array | None = None,
        **kwargs: Any,
    ) -> Any:
        """Look up, and in training drop."""
        given = inputs, nnx.Embed.__call__(self, inputs, **kwargs)
        return super().__call__(given, deterministic=deterministic, rngs=rngs)


class LinenEmbeddingDropout(Rows, Scoped, nn.Embed):
    """An embedding that zeroes whole rows of its matrix: see `thinned.flax.EmbeddingDropout`.

    Attributes:
        rate: probability of dropping, as in `Dropout`.
        deterministic: True in evaluation; here or in the call.
        rng_collection: the stream that keys are taken from.
        site: the name of its draws in a bound model; its path by default.

    The others are those of `flax.linen.Embed`.

    References:
        Gal, Ghahramani, 2016, https://arxiv.org/abs/1512.05287.
    """

    rate: float | Schedule = field(default=0.1, kw_only=True)
    deterministic: bool | None = field(default=None, kw_only=True)
    rng_collection: str = field(default="dropout", kw_only=True)
    site: str | None = field(default=None, kw_only=True)

    def __call__(self, inputs: Any, deterministic: bool | None = None, rng: Any = None) -> Any:
        """Look up, and in training drop."""
        return self.call((inputs, nn.Embed.__call__(self, inputs)), deterministic, rng)


LinenEmbeddingDropout.__name__ = LinenEmbeddingDropout.__qualname__ = "EmbeddingDropout"
