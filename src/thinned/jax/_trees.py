"""What is done with the weights of a model, or with two of its predictions: pure functions of trees of arrays."""

from collections.abc import Callable, Iterable
from typing import Any, SupportsFloat

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thinned.errors import ConfigurationError
from thinned.jax._functional import dropout
from thinned.jax._ticket import Coordinate
from thinned.methods.max_norm import check_radius, unit_axis
from thinned.methods.patterns import listed, matches
from thinned.methods.r_drop import check_alpha
from thinned.methods.site import part_name

Patterns = str | Iterable[str]
"""Shell globs over the names of leaves, such as "*.hi.kernel", in which `*` also matches dots."""


def weight_drop(
    params: Any,
    rate: SupportsFloat | Array,
    only: Patterns = "*",
    *,
    seed: Coordinate,
    site: str = "",
    step: Coordinate = 0,
    draw: Coordinate = 0,
) -> Any:
    """Drop single weights of a tree of parameters: one mask for all that is computed with the result.

        w' = k w / (1 - T / 65536),   k = mask.keep(w.shape, rate, seed=..., site="site/name", ...)

    Of a recurrent network in Flax the hidden-to-hidden weights are those of `h?`: `only="*.h[ifgo].kernel"` is
    WeightDrop of an `LSTMCell`. Differentiate through it, and update the parameters that it was given:

        def loss(params):
            return model.apply({"params": weight_drop(params, 0.5, "*.h?.kernel", seed=0, step=step)}, x)

    Args:
        params: a tree of arrays, of Linen or of `nnx.split`; what no pattern names is left as it is.
        rate: probability of dropping a weight, as in `dropout`.
        only: which leaves: their names are their paths, joined by dots.
        seed: the run, as in `dropout`.
        site: what stands before the leaves' names in their sites, with a slash.
        step: the training step.
        draw: which of several draws.

    Raises:
        ConfigurationError: a pattern that names nothing.
        RateError, AddressError, DtypeError: as `dropout`.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> params = {"cell": {"hi": {"kernel": jnp.ones((2, 2))}, "ii": {"kernel": jnp.ones((2, 2))}}}
        >>> thinned.jax.weight_drop(params, 0.5, "*.h?.kernel", seed=0)["cell"]["hi"]["kernel"].tolist()
        [[2.0, 0.0], [0.0, 0.0]]

    References:
        Merity, Keskar, Socher, "Regularizing and Optimizing LSTM Language Models", 2018,
        https://arxiv.org/abs/1708.02182.
    """

    def drop(name: str, weight: Any) -> Any:
        return dropout(weight, rate, seed=seed, site=_site(site, name), step=step, draw=draw)

    return _changed(params, only, drop)


def mixout(
    params: Any,
    target: Any,
    rate: SupportsFloat | Array,
    only: Patterns = "*",
    *,
    seed: Coordinate,
    site: str = "",
    step: Coordinate = 0,
    draw: Coordinate = 0,
) -> Any:
    """Replace single weights of a tree by their pretrained values with probability `rate`.

        w' = w0 + k (w - w0) / (1 - T / 65536),   E[w'] = w
        k = mask.keep(w.shape, rate, seed=..., site="site/name", ...)

    Dropped weights are the target exactly, and no gradient flows through them. Args and errors are those of
    `weight_drop`, with `target`, a tree like `params`.

    Raises:
        ValueError: trees of two structures, from JAX.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> thinned.jax.mixout({"w": jnp.full(4, 3.0)}, {"w": jnp.ones(4)}, 0.5, seed=1)["w"].tolist()
        [1.0, 5.0, 5.0, 1.0]

    References:
        Lee, Cho, Kang, "Mixout: Effective Regularization to Finetune Large-scale Pretrained Language Models", 2020,
        https://arxiv.org/abs/1909.11299.
    """
    jax.tree.map(lambda *_: None, params, target)  # JAX says where two trees differ
    targets = {_name(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(target)[0]}

    def mix(name: str, weight: Any) -> Any:
        pretrained, at = jax.lax.stop_gradient(targets[name]), _site(site, name)
        left = dropout(weight - pretrained, rate, seed=seed, site=at, step=step, draw=draw)
        return pretrained + left

    return _changed(params, only, mix)


def max_norm(params: Any, c: float, axis: int = -1, *, only: Patterns = ("kernel", "*.kernel")) -> Any:
    """Scale down the incoming weights of each unit whose norm is above `c`. Call it on the updated parameters.

        w_u <- w_u min(1, c / |w_u|),   u a unit

    Units within the ball keep every bit.

    Args:
        params: an array, or a tree of arrays.
        c: the largest norm, above 0; the paper takes 1 to 4.
        axis: of units; the last, as Flax lays out the kernels of `Linear`, `Dense` and `Conv`. (Those of attention
            have more axes of units or of inputs: leave them out.)
        only: which leaves of a tree: all that are called `kernel`, by default.

    Returns:
        A tree like `params`.

    Raises:
        ConfigurationError: a pattern that names nothing.
        ValueError: a `c` that is no such number, an axis that is not there.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> kernel = jnp.array([[3.0, 0.5], [4.0, 0.0]])
        >>> thinned.jax.max_norm({"kernel": kernel, "bias": jnp.ones(2)}, 1.0)["kernel"]
        Array([[0.6, 0.5],
               [0.8, 0. ]], dtype=float32)

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15, 2014,
        https://jmlr.org/papers/v15/srivastava14a.html, section 5.1.
    """
    check_radius(c)

    def pull(_: str, weight: Any) -> Any:
        units = unit_axis(jnp.ndim(weight), axis)
        others = tuple(each for each in range(jnp.ndim(weight)) if each != units)
        norm = jnp.sqrt(jnp.square(_exact(weight)).sum(others, keepdims=True))
        # What was scaled to c has a norm of up to c (1 + eps / 2), by rounding; scaled again it would never rest.
        above = norm > c * (1 + 4 * float(np.finfo(norm.dtype).eps))
        return jnp.where(above & jnp.isfinite(norm), weight * (c / jnp.where(above, norm, 1)), weight).astype(
            weight.dtype
        )

    return pull("", params) if isinstance(params, (Array, np.ndarray)) else _changed(params, only, pull)


def r_drop_loss(
    first: Array,
    second: Array,
    targets: Array,
    alpha: float = 1.0,
    *,
    loss: Callable[[Array, Array], Array] | None = None,
    ignore_index: int = -100,
) -> Array:
    """The loss of two predictions of one batch: that of each, and their symmetric divergence.

        L = loss(P1, y) + loss(P2, y) + alpha mean D,   D = 1/2 KL(P1 || P2) + 1/2 KL(P2 || P1)

    Two predictions are two draws: two calls of a free model, or of a bound one, with another step or seed. The mean
    is over all axes but that of classes. A class whose logit is -inf in both adds nothing.

    Args:
        first: logits, axes (*batch, class).
        second: logits like them, of another draw.
        targets: class indices, axes (*batch), or probabilities like the logits.
        alpha: weight of the divergence, 0 or more.
        loss: of logits and targets, a mean over the batch; cross-entropy, by default.
        ignore_index: positions with this target count neither in the default loss nor in the divergence.

    Raises:
        ValueError: an `alpha` that is no such number, or two shapes of logits.

    Example:
        >>> import jax.numpy as jnp, thinned.jax
        >>> first, second = jnp.log1p(jnp.array([[0.0, 3.0]])), jnp.zeros((1, 2))
        >>> round(float(thinned.jax.r_drop_loss(first, second, jnp.array([1]), alpha=2.0)), 4)
        1.3322

    References:
        Liang et al., "R-Drop: Regularized Dropout for Neural Networks", 2021, https://arxiv.org/abs/2106.14448,
        equation 4.
    """
    check_alpha(alpha)
    first, second, targets = jnp.asarray(first), jnp.asarray(second), jnp.asarray(targets)
    if first.shape != second.shape or not first.ndim:
        raise ValueError(
            f"expected two arrays of logits of one shape, axes (*batch, class); got {first.shape} and "
            f"{second.shape}."
        )
    logs = [jax.nn.log_softmax(_exact(logits)) for logits in (first, second)]
    excluded = (first == -jnp.inf) & (second == -jnp.inf)
    one, two = (jnp.where(excluded, 0, log) for log in logs)
    apart = 0.5 * ((jnp.exp(one) - jnp.exp(two)) * (one - two)).sum(-1)
    is_soft = jnp.issubdtype(targets.dtype, jnp.floating)
    counts = jnp.ones(apart.shape, bool) if is_soft else targets != ignore_index
    entropy = loss or (lambda logits, targets: _cross_entropy(logits, targets, counts))
    return entropy(first, targets) + entropy(second, targets) + alpha * _mean(apart, counts)


def _cross_entropy(logits: Array, targets: Array, counts: Array) -> Array:
    logs = jax.nn.log_softmax(_exact(logits))
    if jnp.issubdtype(targets.dtype, jnp.floating):
        return _mean(-jnp.where(targets > 0, targets * logs, 0).sum(-1), counts)
    chosen = jnp.where(counts, targets, 0)[..., None]
    return _mean(-jnp.take_along_axis(logs, chosen, -1)[..., 0], counts)


def _mean(values: Array, counts: Array) -> Array:
    found: Array = jnp.where(counts, values, 0).sum() / jnp.maximum(counts.sum(), 1)
    return found


def _exact(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _changed(params: Any, only: Patterns, change: Callable[[str, Any], Any]) -> Any:
    """The tree with those leaves changed that a pattern names."""
    leaves, kind = jax.tree_util.tree_flatten_with_path(params)
    names = [_name(path) for path, _ in leaves]
    chosen: set[str] = set()
    for pattern in [only] if isinstance(only, str) else list(only):
        chosen.update(matches(pattern, names))
    if not chosen:
        raise ConfigurationError(
            f"expected patterns that name leaves of the tree, {listed(names)}; got {only!r}, which name none."
        )
    return jax.tree.unflatten(
        kind,
        [
            change(name, leaf) if name in chosen else leaf
            for name, (_, leaf) in zip(names, leaves, strict=True)
        ],
    )


def _name(path: Any) -> str:
    """A leaf's path, joined by dots; the arrays within the variables of NNX are called as those."""
    parts = [str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in path]
    if len(parts) > 1 and isinstance(path[-1], jax.tree_util.GetAttrKey) and parts[-1] == "value":
        parts = parts[:-1]
    return ".".join(parts)


def _site(site: str, name: str) -> str:
    return part_name(site, name) if site else name
