"""Concrete dropout for NNX and Linen: it holds the layer that it stands before, and learns its rate."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx
from jax import Array

from thinned.flax._drawing import Common, Drawing
from thinned.flax._kinds import At, Kind
from thinned.flax._linen import Scoped
from thinned.jax._concrete import relaxed
from thinned.methods.concrete_dropout import check_positive, logit_of, penalty

_LINEAR = (nnx.Linear, nnx.Conv, nn.Dense, nn.Conv)


class Relaxed(Kind):
    """A layer behind a relaxed mask. Its methods are given the layer's input."""

    layer: Any
    weight_regulariser: float
    dropout_regulariser: float
    temperature: float
    logit: Any

    @property
    def amount(self) -> Any:
        """The rate as it is now."""
        return jax.nn.sigmoid(self.logit)

    def shared(self, x: Any) -> tuple[int, ...]:
        if not isinstance(self.layer, (nnx.Conv, nn.Conv)):
            return ()
        sizes = self.layer.kernel_size
        positions = len(sizes) if isinstance(sizes, (tuple, list)) else 1
        return tuple(range(jnp.ndim(x) - 1 - positions, jnp.ndim(x) - 1))

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        where = {"site": 0, "step": 0, "draw": 0, **at()}
        address = where["seed"], where["site"], where["step"], where["draw"]
        return self.layer(relaxed(x, self.logit, self.temperature, address, self.shared(x)))

    def undrawn(self, x: Any) -> Any:
        return self.layer(x)

    def penalty_of(self, kernel: Array, inputs: int) -> Array:
        """What belongs into the loss, once a step."""
        found: Array = penalty(
            self.logit,
            jnp.square(kernel).sum(),
            inputs,
            self.weight_regulariser,
            self.dropout_regulariser,
            jax.nn.sigmoid,
            jax.nn.log_sigmoid,
        )
        return found


def check_factors(layer: Any, weights: float, dropout: float, temperature: float) -> None:
    """Refuse what cannot be learned.

    Raises:
        RateError: a factor or temperature that is no such number.
        TypeError: another layer.
    """
    if not isinstance(layer, _LINEAR):
        raise TypeError(
            f"expected nnx.Linear, nnx.Conv, or Linen's Dense or Conv, to learn the dropout of; got "
            f"{type(layer).__name__}. For another layer, call thinned.jax.concrete_dropout before it."
        )
    check_positive("weight_regulariser", weights, zero=True)
    check_positive("dropout_regulariser", dropout, zero=True)
    check_positive("a temperature", temperature)


class ConcreteDropout(Drawing, Relaxed):
    """A linear layer or convolution behind a dropout whose rate is learned.

        y = layer(x (1 - z) / (1 - p)),   z = sigmoid((log(p / (1 - p)) + log((1 - u) / u)) / t)

    `u = thinned.mask.uniform(x.shape, seed=seed, site=name, step=step)` in a bound model, one draw for all
    positions before a convolution. The rate `p` falls to 0 unless the loss contains the regulariser,
    `layer.regulariser()` or, for all such layers of a model, `thinned.flax.concrete_regulariser(model)`:

        w ||W||^2 / (1 - p)  +  d K (p log p + (1 - p) log(1 - p)),   K inputs, or a convolution's channels

    Args:
        layer: `nnx.Linear` or `nnx.Conv`.
        rate: the rate to begin with, between 0 and 1; `layer.rate` is what it has become.
        weight_regulariser: `w`. The paper's is `l^2 / (2 N)`, for a prior of length scale `l` and `N` samples.
        dropout_regulariser: `d`. The paper's is `1 / N`.
        temperature: `t`, how soft the mask is.
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        RateError: a rate that is not between 0 and 1, a schedule, or a factor that is no such number.
        TypeError: another layer.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> layer = thinned.flax.ConcreteDropout(nnx.Linear(16, 4, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1))
        >>> slopes = nnx.grad(lambda layer: (layer(jnp.ones((8, 16))) ** 2).mean() + layer.regulariser())(layer)
        >>> round(float(layer.rate), 6), bool(slopes["p_logit"][...] != 0)
        (0.1, True)

    References:
        Gal, Hron, Kendall, "Concrete Dropout", 2017, https://arxiv.org/abs/1705.07832. We differ: see
        `thinned.jax.concrete_dropout`; and the bias is not regularised.
    """

    def __init__(
        self,
        layer: nnx.Module,
        rate: float = 0.1,
        *,
        weight_regulariser: float = 1e-6,
        dropout_regulariser: float = 1e-5,
        temperature: float = 0.1,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        check_factors(layer, weight_regulariser, dropout_regulariser, temperature)
        self.layer = layer
        self.p_logit = nnx.Param(jnp.full((1,), logit_of(rate), jnp.float32))
        self.weight_regulariser, self.dropout_regulariser = weight_regulariser, dropout_regulariser
        self.temperature = temperature

    @property
    def logit(self) -> Array:
        """What is trained, as one number."""
        found: Array = self.p_logit[...][0]
        return found

    @property
    def rate(self) -> Array:
        """The rate as it is now, with a gradient."""
        return jax.nn.sigmoid(self.logit)

    def regulariser(self) -> Array:
        """What belongs into the loss, once a step."""
        layer: Any = self.layer
        return self.penalty_of(layer.kernel[...], layer.in_features)


class LinenConcreteDropout(Relaxed, Scoped, nn.Module):
    """A linear layer or convolution behind a dropout whose rate is learned: see `thinned.flax.ConcreteDropout`.

    In training the regulariser is sown into the collection `losses`: apply with `mutable=["losses"]`, and add
    `thinned.flax.concrete_regulariser(changed["losses"])` to the loss. Else it is lost, and the rate falls to 0.

    Attributes:
        layer: `nn.Dense` or `nn.Conv`.
        rate: the rate to begin with; what is trained is its logit, the parameter `p_logit`.
        weight_regulariser: `w`.
        dropout_regulariser: `d`.
        temperature: `t`.
        deterministic: True in evaluation; here or in the call.
        rng_collection: the stream that keys are taken from.
        site: the name of its draws in a bound model; its path by default.

    Example:
        >>> import jax, jax.numpy as jnp, flax.linen as nn, thinned.flax
        >>> layer = thinned.flax.linen.ConcreteDropout(nn.Dense(4), deterministic=False)
        >>> net, x = thinned.flax.bind(layer, seed=0), jnp.ones((8, 16))
        >>> params = net.init(jax.random.key(0), x)["params"]
        >>> y, changed = net.apply({"params": params}, x, step=0, mutable=["losses"])
        >>> y.shape, thinned.flax.concrete_regulariser(changed["losses"]).shape
        ((8, 4), ())

    References:
        Gal, Hron, Kendall, 2017, https://arxiv.org/abs/1705.07832.
    """

    layer: nn.Module
    rate: float = 0.1
    weight_regulariser: float = field(default=1e-6, kw_only=True)
    dropout_regulariser: float = field(default=1e-5, kw_only=True)
    temperature: float = field(default=0.1, kw_only=True)
    deterministic: bool | None = field(default=None, kw_only=True)
    rng_collection: str = field(default="dropout", kw_only=True)
    site: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_factors(self.layer, self.weight_regulariser, self.dropout_regulariser, self.temperature)
        logit_of(self.rate)
        super().__post_init__()

    def setup(self) -> None:
        """The parameter."""
        start = logit_of(self.rate)
        self.p_logit = self.param("p_logit", lambda _: jnp.full((1,), start, jnp.float32))

    @property
    def logit(self) -> Array:
        """What is trained, as one number."""
        found: Array = self.p_logit[0]
        return found

    def __call__(self, inputs: Any, deterministic: bool | None = None, rng: Any = None) -> Any:
        """The layer behind relaxed dropout in training; in evaluation, the layer."""
        y = self.call(inputs, deterministic, rng)
        off = nn.merge_param("deterministic", self.deterministic, deterministic)
        if not (off or self.is_initializing()):
            kernel = self.layer.variables["params"]["kernel"]
            self.sow("losses", "concrete_dropout", self.penalty_of(kernel, jnp.shape(inputs)[-1]))
        return y


LinenConcreteDropout.__name__ = LinenConcreteDropout.__qualname__ = "ConcreteDropout"


def concrete_regulariser(of: nnx.Module | Mapping[str, Any]) -> Array:
    """The sum of the regularisers of every `ConcreteDropout` in a model, for the loss; 0 where there is none.

    Args:
        of: an NNX module; or of Linen the collection `losses` that `apply` returned.

    Example:
        >>> import thinned.flax
        >>> from flax import nnx
        >>> layer = thinned.flax.ConcreteDropout(nnx.Linear(4, 4, rngs=nnx.Rngs(0)))
        >>> bool(thinned.flax.concrete_regulariser(nnx.Sequential(layer)) == layer.regulariser())
        True

    References:
        Gal, Hron, Kendall, 2017, https://arxiv.org/abs/1705.07832.
    """
    if isinstance(of, nnx.Module):
        layers = [each for _, each in nnx.iter_graph(of) if isinstance(each, ConcreteDropout)]
        found = [layer.regulariser() for layer in layers]
    else:
        found = [
            jnp.asarray(leaf)
            for path, leaf in jax.tree_util.tree_flatten_with_path(of)[0]
            if any(getattr(key, "key", None) == "concrete_dropout" for key in path)
        ]
    return jnp.stack(found).sum() if found else jnp.zeros(())
