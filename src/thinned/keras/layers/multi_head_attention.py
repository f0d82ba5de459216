"""Multi-head attention as a layer: Keras' own, with a place for each way of dropping in it."""

from typing import Any

import keras

from thinned.keras._rates import read, written
from thinned.keras.layers.attention_dropout import AttentionDropout
from thinned.keras.layers.drop_key import DropKey
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class MultiHeadAttention(keras.layers.MultiHeadAttention):  # type: ignore[misc]
    """Keras' `MultiHeadAttention`, whose weights, heads and keys are dropped with the law's masks.

        softmax(drop_key(q k' / sqrt(d))) -> dropout -> drop_head -> v

    Evaluation, and rates of 0, are Keras' layer, with its fused attention. The three draws have the sites
    `name.dropout`, `name.drop_head` and `name.drop_key`; axes of their masks are (batch, head, query, key).

    Args:
        num_heads: as in Keras.
        key_dim: as in Keras.
        value_dim: as in Keras.
        dropout: probability of dropping a weight, as in Keras; see `AttentionDropout`.
        drop_head: probability of dropping a head of a sample, or a schedule; see `AttentionDropout(per="head")`.
        drop_key: probability of hiding a key from a query, or a schedule; see `DropKey`.
        **kwargs: those of Keras' layer.

    Raises:
        RateError: a rate outside [0, 1], or so near to 0 or 1 that no threshold tells it from them.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.MultiHeadAttention(4, 8, dropout=0.1, drop_key=0.1, seed=0)
        >>> x = keras.ops.ones((2, 5, 16))
        >>> tuple(layer(x, x, use_causal_mask=True, training=True).shape)
        (2, 5, 16)

    References:
        Vaswani et al., "Attention Is All You Need", 2017, https://arxiv.org/abs/1706.03762; Zhou et al., 2020,
        https://arxiv.org/abs/2004.13342; Li et al., 2023, https://arxiv.org/abs/2208.02646.
    """

    _dropout_layer: Any

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        drop_head: float | Schedule = 0.0,
        drop_key: float | Schedule = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_heads, key_dim, value_dim, dropout, **kwargs)
        inner = {"dtype": self.dtype_policy, "seed": self.seed}
        self._weights_layer = AttentionDropout(dropout, name="dropout", **inner)
        self._heads_layer = AttentionDropout(read(drop_head), "head", name="drop_head", **inner)
        self._keys_layer = DropKey(read(drop_key), name="drop_key", **inner)

    def _build_attention(self, rank: int) -> None:
        super()._build_attention(rank)
        self._tracker.untrack(self._dropout_layer)  # Keras' own
        self._dropout_layer = self._weights_layer

    def _compute_attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: Any = None,
        return_attention_scores: bool = False,
        **kwargs: Any,
    ) -> Any:
        layers = (self._weights_layer, self._heads_layer, self._keys_layer)
        if not training or all(layer.rate == 0 for layer in layers):
            given = query, key, value, attention_mask, training, return_attention_scores
            return super()._compute_attention(*given, **kwargs)
        if kwargs.get("use_causal_mask"):
            causal = self._compute_causal_mask(query, value)
            both = causal if attention_mask is None else attention_mask
            attention_mask = keras.ops.logical_and(keras.ops.cast(both, "bool"), causal)
        query = keras.ops.multiply(query, keras.ops.cast(self._inverse_sqrt_key_dim, query.dtype))
        logits = keras.ops.einsum(self._dot_product_equation, key, query)
        weights = self._masked_softmax(logits, self._visible(logits, attention_mask, training))
        left = self._heads_layer(self._weights_layer(weights, training=training), training=training)
        return keras.ops.einsum(self._combine_equation, left, value), weights

    def _visible(self, logits: Any, mask: Any, training: Any) -> Any:
        """The mask of attention, without the keys that are dropped; a query never loses all."""
        if self._keys_layer.rate == 0:
            return mask
        allowed = keras.ops.stop_gradient(logits)
        if mask is not None:
            for _ in range(len(logits.shape) - len(mask.shape)):
                mask = keras.ops.expand_dims(mask, -2 * len(self._attention_axes) - 1)
            least = keras.ops.full_like(logits, float("-inf"))
            allowed = keras.ops.where(keras.ops.cast(mask, "bool"), allowed, least)
        return keras.ops.logical_not(keras.ops.isinf(self._keys_layer(allowed, training=training)))

    def get_config(self) -> dict[str, Any]:
        """Keras', and the two other rates."""
        rates = {
            "dropout": self._weights_layer.rate,
            "drop_head": written(self._heads_layer.rate),
            "drop_key": written(self._keys_layer.rate),
        }
        return {**super().get_config(), **rates}
