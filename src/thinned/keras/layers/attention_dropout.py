"""Dropout of attention weights as a layer: each on its own, or whole heads."""

from typing import Any

import keras

from thinned.keras._backend import backend
from thinned.keras._drawing import Alike, Drawing, Shape
from thinned.methods.attention_dropout import WITHIN_HEAD, check_heads, check_per
from thinned.methods.schedule import Schedule


@keras.saving.register_keras_serializable(package="thinned")
class AttentionDropout(Drawing, Alike):
    """Zero attention weights, between the softmax and the values: single ones, or those of whole heads.

        per="weight":  y = x k / (1 - q),    k for each weight
        per="head":    y = x k n / s,        k for each head of each sample; s of its n heads are kept

    `q` is the quantised rate. Weights have axes (*batch, head, query, key), those of Keras' attention:
    `thinned.keras.layers.MultiHeadAttention` holds such layers. Args and errors are those of `Dropout`, without
    `noise_shape`.

    Args:
        per: "weight" or "head", what one draw is for.

    Raises:
        ShareError: per head, an input with fewer axes than (head, query, key).
        ValueError: another `per`.

    Example:
        >>> import keras, thinned.keras
        >>> layer = thinned.keras.layers.AttentionDropout(0.5, per="head", seed=0)
        >>> [round(float(v), 4) for v in layer(keras.ops.ones((1, 4, 5, 5)), training=True)[0, :, 0, 0]]
        [1.3333, 0.0, 1.3333, 1.3333]

    References:
        Lin et al., "DropAttention: A Regularization Method for Fully-Connected Self-Attention Networks", 2019,
        https://arxiv.org/abs/1907.11065. We differ: the inverted scale that transformers use, where it normalises
        each row. Per head: Zhou et al., "Scheduled DropHead: A Regularization Method for Transformer Models", 2020,
        https://arxiv.org/abs/2004.13342.
    """

    arguments = ("per",)

    def __init__(
        self,
        rate: float | Schedule = 0.5,
        per: str = "weight",
        seed: int | None = None,
        site: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, site=site, **kwargs)
        check_per(per)
        self.per = per

    def shared(self, shape: Shape) -> tuple[int, ...]:
        """What lies within a head, per head."""
        if self.per == "weight":
            return ()
        check_heads(len(shape))
        return tuple(axis % len(shape) for axis in WITHIN_HEAD)

    def drawn(self, x: Any, rate: Any, *at: dict[str, Any]) -> Any:
        """Zero, or scaled."""
        function = "drop_head" if self.shared(x.shape) else "dropout"
        return backend.run(function, x, rate, window=self.window(x), **at[0])
