"""Masks that select rather than scale: a key or none, heads by their number, tokens that stay."""

from typing import Any

import tensorflow as tf

from thinned.errors import BindError, DtypeError
from thinned.mask.sharing import Share, Window
from thinned.methods.attention_dropout import HEADS, WITHIN_HEAD, check_heads
from thinned.methods.law import WORD
from thinned.methods.patch_dropout import check_prefix, count, mask_shape, subset
from thinned.tensorflow._address import Coordinate, Tensor, coordinates, counter, wide
from thinned.tensorflow._draws import draws
from thinned.tensorflow._law import dense, guarded, precision
from thinned.tensorflow._place import place_of, read
from thinned.tensorflow._raw import keep


def zoneout(
    new: Tensor,
    old: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Each element of `new`, or with probability `rate` that of `old`: zoneout of one step of a recurrent network.

        h = k new + (1 - k) old,   k = mask.keep(new.shape, rate, seed=..., ...)

    It selects: what is not taken may be NaN. Nothing is scaled. Args and errors are those of `dropout`, with `new`,
    what the cell computed, and `old`, the state of the step before, like it.

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> thinned.tensorflow.zoneout(tf.ones(4), -tf.ones(4), 0.5, seed=0, site="fc1").numpy()
        array([-1., -1.,  1., -1.], dtype=float32)

    References:
        Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations", 2017,
        https://arxiv.org/abs/1606.01305.
    """
    new = guarded(dense, new)
    return tf.where(_kept(new, rate, (seed, site, step, draw), share, window), new, old)


def drop_key(
    x: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
) -> Tensor:
    """Hide each key from each query with probability `rate`: the logit becomes -inf. A query never loses all.

        y = x where k else -inf,   k = mask.keep(x.shape, rate, seed=..., ...)

    **A row whose every allowed key would be dropped is left as it is**; a key is allowed if its logit is not -inf
    already. Args and errors are those of `dropout`, of logits with axes (*batch, query, key).

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> thinned.tensorflow.drop_key(tf.zeros((2, 4)), 0.5, seed=0, site="fc1").numpy()
        array([[-inf, -inf,   0., -inf],
               [-inf,   0.,   0.,   0.]], dtype=float32)

    References:
        Li et al., "DropKey for Vision Transformer", 2023, https://arxiv.org/abs/2208.02646. We differ: it adds
        -1e12 and lets a query lose all its keys, whose weights then are those of no dropping or NaN.
    """
    x = guarded(dense, x)
    least = tf.constant(float("-inf"), x.dtype)
    hidden = ~_kept(x, rate, (seed, site, step, draw), share, window)
    left = tf.reduce_max(tf.where(hidden, least, tf.stop_gradient(x)), axis=-1, keepdims=True)
    return tf.where(hidden & (left != least), least, x)


def drop_head(
    x: Tensor,
    rate: float | Tensor,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    window: Window | None = None,
) -> Tensor:
    """Zero whole heads of attention weights with probability `rate`; scale each sample's others by heads / kept.

        y = x k n / s,   k for each head of each sample;  s of its n heads are kept

    A sample whose heads are all dropped becomes 0. Args and errors are those of `dropout`, of weights with axes
    (*batch, head, query, key); fewer axes are a ShareError.

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> y = thinned.tensorflow.drop_head(tf.ones((1, 4, 2, 2)), 0.5, seed=0, site="fc1")
        >>> y[0, :, 0, 0].numpy()
        array([0., 0., 4., 0.], dtype=float32)

    References:
        Zhou et al., "Scheduled DropHead: A Regularization Method for Transformer Models", 2020,
        https://arxiv.org/abs/2004.13342.
    """
    x = guarded(dense, x)
    guarded(check_heads, x.shape.rank)
    kept, exact = _kept(x, rate, (seed, site, step, draw), WITHIN_HEAD, window), precision(x.dtype)
    left = tf.reduce_sum(tf.cast(kept, exact), axis=HEADS, keepdims=True)
    factor = tf.cast(tf.shape(x)[HEADS], exact) / tf.maximum(left, 1)
    return tf.where(kept, tf.cast(tf.cast(x, exact) * factor, x.dtype), tf.zeros([], x.dtype))


def patch_dropout(
    x: Tensor,
    rate: float,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    num_prefix_tokens: int = 1,
    ordered: bool = False,
    rows: tuple[Any, Any] | None = None,
) -> tuple[Tensor, Tensor]:
    """Take a share `rate` of each sample's tokens out of the computation: the output has fewer.

        y = x[b, S_b],   S_b a random subset of floor(tokens (1 - rate)) tokens, at least one

    The subset is that of `thinned.methods.patch_dropout.subset`: the law's whole words are drawn for the tokens
    behind the prefix, and the smallest stay.

    Args:
        x: float tensor, axes (sample, token, *rest); in a graph the number of tokens must be known.
        rate: share of tokens that leaves, 0 <= rate < 1: a number, since it decides a shape.
        seed: the run, as in `dropout`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        num_prefix_tokens: how many first tokens, such as the class token, stay in any case.
        ordered: keep the tokens in their order; else they come in the order of their draws.
        rows: `(samples in all, index)`: where these samples lie in the global batch, a start or an array.

    Returns:
        The tokens, and the indices of those that stay behind the prefix, counted without it: int64, axes (sample,
        kept).

    Raises:
        RateError: a rate outside [0, 1), or NaN.
        ShareError: no token behind the prefix.
        BindError: a rate that is a tensor, or tokens whose number is not known.
        AddressError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> y, indices = thinned.tensorflow.patch_dropout(tf.ones((2, 1 + 16, 8)), 0.75, seed=0)
        >>> tuple(y.shape), tuple(indices.shape)
        ((2, 5, 8), (2, 4))

    References:
        Liu, Matsoukas, Strand, Azizpour, Smith, "PatchDropout: Economizing Vision Transformers Using Patch
        Dropout", 2023, https://arxiv.org/abs/2208.07220.
    """
    where = (seed, site, step, draw)
    found: tuple[Tensor, Tensor] = guarded(
        _fewer, x, rate, where, check_prefix(num_prefix_tokens), ordered, rows
    )
    return found


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
def _fewer(x: Any, rate: Any, address: Any, prefix: int, ordered: bool, rows: Any) -> tuple[Tensor, Tensor]:
    x = dense(x)
    if tf.is_tensor(rate):
        raise BindError(
            "expected a rate as a number, since it decides how many tokens stay, which is a shape; got a tensor. "
            "Set layer.rate between compilations."
        )
    if x.shape.rank is None:
        raise DtypeError(
            "expected a tensor of known rank; got one of unknown rank. Fix it with tf.ensure_shape."
        )
    _, tokens = mask_shape(x.shape.as_list(), prefix)
    if tokens is None:
        raise BindError(
            f"expected a known number of tokens in a graph, since it decides a shape; got {x.shape}. Fix it with "
            "tf.ensure_shape, or with the model's Input."
        )
    indices = _subset(x, tokens, count(tokens, rate), address, rows)
    indices = tf.sort(indices, axis=1) if ordered else indices
    first = tf.broadcast_to(tf.range(prefix, dtype=tf.int64), [tf.shape(x)[0], prefix])
    chosen = tf.concat([first, indices + prefix], axis=1)
    return tf.gather(x, chosen, axis=1, batch_dims=1), indices


def _subset(x: Tensor, tokens: int, kept: int, address: Any, rows: Any) -> Tensor:
    """The places of each sample's smallest words, of equal ones the first, in their order."""
    if tf.executing_eagerly():
        return tf.constant(subset((x.shape[0], tokens), kept, coordinates(address), rows))
    samples = x.shape[0] if x.shape[0] is not None else tf.shape(x, tf.int64)[0]
    window = None if rows is None else read(((rows[0], tokens), (rows[1], 0)))
    drawn = draws(WORD, counter(coordinates(address)), place_of([samples, tokens], (), window, wide=True))
    # A word and its place in one integer, from -2^63 on: a plain selection then breaks ties by place.
    words = tf.bitwise.left_shift(tf.cast(drawn, tf.int64) - wide(1 << 31), wide(32))
    keys = words + tf.range(tokens, dtype=tf.int64)
    smallest = -1 - tf.math.top_k(-1 - keys, kept).values
    return tf.bitwise.bitwise_and(smallest, wide(0xFFFFFFFF))


def _kept(x: Tensor, rate: Any, address: Any, share: Share, window: Window | None) -> Tensor:
    seed, site, step, draw = address
    shape = x.shape.as_list() if x.shape.is_fully_defined() else tf.shape(x, tf.int64)
    return keep(shape, rate, seed=seed, site=site, step=step, draw=draw, share=share, window=window)
