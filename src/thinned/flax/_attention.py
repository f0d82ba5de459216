"""Dropout inside attention, for NNX and Linen: of weights, of heads, of keys; and attention that holds them."""

from typing import Any, Unpack

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx
from flax.linen.dtypes import promote_dtype
from jax import Array

import thinned.jax
from thinned.errors import ConfigurationError
from thinned.flax import _drawing as of_nnx
from thinned.flax import _linen as of_linen
from thinned.flax._drawing import Common
from thinned.flax._kinds import At, Kind
from thinned.methods.attention_dropout import WITHIN_HEAD, check_heads, check_per
from thinned.methods.schedule import Schedule


class Weights(Kind):
    """Dropout of attention weights, or of heads."""

    per: str

    def shared(self, x: Any) -> tuple[int, ...]:
        check_per(self.per)
        if self.per == "weight":
            return ()
        check_heads(jnp.ndim(x))
        return WITHIN_HEAD

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        shared = self.shared(x)
        return thinned.jax.drop_head(x, rate, **at()) if shared else thinned.jax.dropout(x, rate, **at())


class Keys(Kind):
    """Keys that a query cannot see."""

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        return thinned.jax.drop_key(x, rate, **at())


class AttentionDropout(of_nnx.Rated, Weights):
    """Zero attention weights, between the softmax and the values: single ones, or those of whole heads.

        per="weight":  y = x k / (1 - q),    k for each weight
        per="head":    y = x k n / s,        k for each head of each sample; s of its n heads are kept

    `q` is the quantised rate. Weights have axes (*batch, head, query, key), those of Flax's attention;
    `DotProductAttention` places such layers in it. Args and errors are those of `Dropout`, but for
    `broadcast_dims`.

    Args:
        rate: probability of dropping, as in `Dropout`.
        per: "weight" or "head", what one draw is for.
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        ValueError: another `per`.
        ShareError: per head, an input with fewer axes than (head, query, key).

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> layer = thinned.flax.AttentionDropout(0.5, per="head", rngs=nnx.Rngs(0))
        >>> float(layer(jnp.ones((2, 4, 5, 5))).std(axis=(2, 3)).max())
        0.0

    References:
        Lin et al., "DropAttention: A Regularization Method for Fully-Connected Self-Attention Networks", 2019,
        https://arxiv.org/abs/1907.11065. We differ: the inverted scale that transformers use, where it normalises
        each row. Per head: Zhou et al., "Scheduled DropHead: A Regularization Method for Transformer Models", 2020,
        https://arxiv.org/abs/2004.13342.
    """

    def __init__(
        self, rate: float | Schedule = 0.5, *, per: str = "weight", **common: Unpack[Common]
    ) -> None:
        super().__init__(rate, **common)
        check_per(per)
        self.per = per


class DropKey(of_nnx.Rated, Keys):
    """Hide keys from queries before the softmax: each logit of attention becomes -inf with probability `rate`.

        y = x where k else -inf

    A row whose every allowed key would be dropped is left as it is: see `thinned.jax.drop_key`, which also says
    what "allowed" is. The softmax normalises what is left. In evaluation it is the identity. Args and errors are
    those of `Dropout`, but for `broadcast_dims`.

    Example:
        >>> import jax, jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> y = thinned.flax.DropKey(0.5, rngs=nnx.Rngs(0))(jnp.zeros((4, 4)))
        >>> bool(jnp.isfinite(jax.nn.softmax(y)).all()), bool(jnp.isinf(y).any())
        (True, True)

    References:
        Li, Hu, Nie, Han, Jiang, Guo, Liu, "DropKey for Vision Transformer", 2023,
        https://arxiv.org/abs/2208.02646. We differ: no query loses all its keys.
    """


class LinenAttentionDropout(Weights, of_linen.Rated):
    """Zero attention weights, or those of whole heads: see `thinned.flax.AttentionDropout`.

    Attributes:
        per: "weight" or "head", what one draw is for.

    The others, and errors, are those of `Dropout`, but for `broadcast_dims`.

    References:
        Lin et al., 2019, https://arxiv.org/abs/1907.11065. Per head: Zhou et al., 2020,
        https://arxiv.org/abs/2004.13342.
    """

    per: str = "weight"


class LinenDropKey(Keys, of_linen.Rated):
    """Hide keys from queries before the softmax: see `thinned.flax.DropKey`.

    Attributes and errors are those of `Dropout`, but for `broadcast_dims`.

    References:
        Li et al., "DropKey for Vision Transformer", 2023, https://arxiv.org/abs/2208.02646. We differ: no query
        loses all its keys.
    """


LinenAttentionDropout.__name__ = LinenAttentionDropout.__qualname__ = "AttentionDropout"
LinenDropKey.__name__ = LinenDropKey.__qualname__ = "DropKey"


class _Attention:
    """Scaled dot-product attention with a place for each layer that drops in it.

    Called as Flax calls an `attention_fn`.
    """

    dropout: Any
    drop_head: Any
    drop_key: Any

    def __call__(
        self,
        query: Array,
        key: Array,
        value: Array,
        bias: Array | None = None,
        mask: Array | None = None,
        *,
        dropout_rate: float = 0.0,
        dtype: Any = None,
        precision: Any = None,
        module: Any = None,
        is_causal: bool = False,
        broadcast_dropout: bool = True,
        dropout_rng: Any = None,
        deterministic: bool = False,
    ) -> Array:
        """Attend: queries, keys and values are (*batch, length, head, feature), as Flax has them.

        `deterministic`, `broadcast_dropout` and `dropout_rng` speak of Flax's own dropout, of which there is none
        here; the layers know their mode.

        Raises:
            ConfigurationError: a rate of Flax's own dropout.
        """
        if dropout_rate:
            raise ConfigurationError(
                f"expected dropout_rate=0 of attention whose attention_fn is DotProductAttention; got "
                f"{dropout_rate}. Give the function the layer: DotProductAttention(dropout=AttentionDropout("
                f"{dropout_rate}))."
            )
        query, key, value = promote_dtype(query, key, value, dtype=dtype)
        if query.shape[-2] != key.shape[-2]:  # fewer heads of keys, each for a group of queries
            key, value = (jnp.repeat(x, query.shape[-2] // x.shape[-2], axis=-2) for x in (key, value))
        scale = jnp.sqrt(query.shape[-1]).astype(query.dtype)
        logits = jnp.einsum("...qhd,...khd->...hqk", query / scale, key, precision=precision)
        logits = logits if bias is None else logits + bias
        if is_causal:
            causal = jnp.tril(jnp.ones(logits.shape[-2:], bool))
            mask = causal if mask is None else mask & causal
        weights = jax.nn.softmax(self._masked(logits, mask)).astype(query.dtype)
        if module is not None:
            sowed = nnx.Intermediate if isinstance(module, nnx.Module) else "intermediates"
            module.sow(sowed, "attention_weights", weights)
        for layer in (self.dropout, self.drop_head):
            weights = weights if layer is None else layer(weights)
        return jnp.einsum("...hqk,...khd->...qhd", weights, value, precision=precision)

    def _masked(self, logits: Array, mask: Array | None) -> Array:
        """What is not seen becomes the dtype's least number, so that a query that may see nothing stays finite."""
        if self.drop_key is not None:
            allowed = logits if mask is None else jnp.where(mask, logits, -jnp.inf)
            mask = self.drop_key(jax.lax.stop_gradient(allowed)) != -jnp.inf
        return logits if mask is None else jnp.where(mask, logits, jnp.finfo(logits.dtype).min)  # type: ignore[no-untyped-call]


class DotProductAttention(nnx.Module, _Attention):
    """An `attention_fn` for `nnx.MultiHeadAttention` that drops where its layers stand.

        softmax(drop_key(q k' / sqrt(d))) -> dropout -> drop_head -> v

    Flax's own attention draws inside one function, by a key of its own, where no address reaches. This one holds
    layers, so `bind`, `sites`, `train` and `eval` find them.

    Args:
        dropout: an `AttentionDropout`, or None.
        drop_head: an `AttentionDropout(per="head")`, or None.
        drop_key: a `DropKey`, or None.

    Raises:
        ConfigurationError: when called, attention that has a `dropout_rate` of its own.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> fn = thinned.flax.DotProductAttention(dropout=thinned.flax.AttentionDropout(0.1))
        >>> attention = nnx.MultiHeadAttention(
        ...     num_heads=4, in_features=16, decode=False, attention_fn=fn, rngs=nnx.Rngs(0)
        ... )
        >>> print(thinned.flax.sites(thinned.flax.bind(attention, seed=0), jnp.ones((2, 5, 16))))
        name                        site  rate  mask shape
        attention_fn.dropout  4264437880   0.1  (2, 4, 5, 5)
    """

    def __init__(self, dropout: Any = None, drop_head: Any = None, drop_key: Any = None) -> None:
        self.dropout, self.drop_head, self.drop_key = map(nnx.data, (dropout, drop_head, drop_key))


class LinenDotProductAttention(nn.Module):
    """An `attention_fn` for `nn.MultiHeadDotProductAttention`: see `thinned.flax.DotProductAttention`.

    Attributes:
        dropout: an `AttentionDropout`, or None; it needs `deterministic`, which Flax does not hand on.
        drop_head: an `AttentionDropout(per="head")`, or None.
        drop_key: a `DropKey`, or None.

    Example:
        >>> import jax, jax.numpy as jnp, flax.linen as nn, thinned.flax
        >>> fn = thinned.flax.linen.DotProductAttention(
        ...     drop_key=thinned.flax.linen.DropKey(0.1, deterministic=False)
        ... )
        >>> attention = nn.MultiHeadDotProductAttention(num_heads=4, attention_fn=fn)
        >>> net = thinned.flax.bind(attention, seed=0)
        >>> variables = net.init(jax.random.key(0), jnp.ones((2, 5, 16)))
        >>> net.apply(variables, jnp.ones((2, 5, 16)), step=3).shape
        (2, 5, 16)
    """

    dropout: Any = None
    drop_head: Any = None
    drop_key: Any = None

    __call__ = _Attention.__call__
    _masked = _Attention._masked


LinenDotProductAttention.__name__ = LinenDotProductAttention.__qualname__ = "DotProductAttention"
