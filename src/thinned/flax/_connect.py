"""DropConnect for NNX and Linen: Flax's own linear layers, whose weights are thinned."""

from dataclasses import field
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax import nnx
from flax.linen.dtypes import promote_dtype
from jax import Array, lax

import thinned.jax
from thinned.errors import ConfigurationError
from thinned.flax._drawing import Drawing
from thinned.flax._kinds import At, Kind
from thinned.flax._linen import Scoped
from thinned.jax._connect import for_each
from thinned.methods.dropconnect import PER, check_choice
from thinned.methods.schedule import Schedule, check_rate


class Connected(Kind):
    """A linear layer whose weights and biases are drawn, each at a site of its own.

    Its methods are given inputs, kernel (in, out) and bias (out,) or None. Weights are drawn in the order (out,
    in), in which PyTorch keeps them: so one address has one mask in both.
    """

    rate: Any
    per: str
    drop_bias: bool
    use_bias: bool
    dtype: Any
    precision: Any

    @property
    def parts(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("weight", "bias") if self.use_bias and self.drop_bias else ("weight",)

    def mask_shapes(self, x: Any) -> list[tuple[str, tuple[int, ...]]]:
        x, kernel, _ = x
        copies = jnp.shape(x)[:1] if self._is_per_example(x) else ()
        shapes = {"weight": kernel.shape[::-1], "bias": kernel.shape[1:]}
        return [(part, (*copies, *shapes[part])) for part in self.parts]

    def undrawn(self, x: Any) -> Any:
        x, kernel, bias = x
        return self._contract(x, kernel.T, bias)

    def drawn(self, x: Any, rate: Any, at: At) -> Any:
        x, kernel, bias = x
        addresses = {part: at(part) for part in self.parts}
        if not self._is_per_example(x):
            if bias is not None and "bias" in addresses:
                bias = thinned.jax.dropout(bias, rate, **addresses["bias"])
            return self._contract(x, thinned.jax.dropout(kernel.T, rate, **addresses["weight"]), bias)
        y = self._each(x, kernel.T, rate, addresses["weight"])
        if bias is None:
            return y
        if "bias" in addresses:
            copies = jnp.broadcast_to(bias, (x.shape[0], *bias.shape))
            bias = thinned.jax.dropout(copies, rate, **addresses["bias"])
            bias = bias.reshape(x.shape[0], *(1,) * (y.ndim - 2), y.shape[-1])
        return y + bias.astype(y.dtype)

    def _each(self, x: Array, weight: Array, rate: Any, address: dict[str, Any]) -> Array:
        """Each example by weights of its own: one after the other, so that there is one copy of them at a time."""
        return for_each(x, weight, rate, address, lambda row, own: self._contract(row, own, None))

    def _contract(self, x: Any, weight: Array, bias: Array | None) -> Array:
        x, weight, bias = promote_dtype(x, weight, bias, dtype=self.dtype)
        axes = (((x.ndim - 1,), (1,)), ((), ()))
        y: Array = lax.dot_general(x, weight, axes, precision=self.precision)
        return y if bias is None else y + bias

    def _is_per_example(self, x: Any) -> bool:
        return check_choice("per", self.per, PER) == "example" and jnp.ndim(x) > 1


class DropConnectLinear(Drawing, Connected, nnx.Linear):
    """Drop single weights with probability `rate` in training: `nnx.Linear` with a thinned matrix.

        y = s (k w) x + s k' b,   s = 1 / (1 - T / 65536),   T = round(65536 rate)

    As in the paper `k` is drawn for each example, axis 0 (`per="example"`), and biases are dropped too. Examples
    are computed one after the other, so that no more than one copy of the weights exists, forward and backward; on
    an accelerator, and where the batch is divided among devices, `per="batch"`, one mask for all, is the faster by
    far. In a bound model the masks are `thinned.mask.keep` at the sites `name/weight`, of shape (batch, out, in) or
    (out, in), and `name/bias`: those of PyTorch's layer. Evaluation is by the mean weights.

    Args:
        in_features: size of the last axis of the input.
        out_features: size of the last axis of the output.
        rate: probability of dropping a weight, as in `Dropout`. The paper's `p` is the probability of keeping.
        per: "example" or "batch": who has a mask of its own.
        drop_bias: whether the bias is dropped too.
        use_bias: whether there is one.
        dtype: of the computation, as in `nnx.Linear`.
        param_dtype: of the weights.
        precision: of the product.
        deterministic: True in evaluation, as in `Dropout`.
        rng_collection: the stream of `rngs` that keys are taken from.
        rngs: for the weights, and for a free layer's draws.
        site: the name of its draws in a bound model; its path by default.

    Raises:
        RateError: as `Dropout`.
        ConfigurationError: another word for `per`.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> layer = thinned.flax.DropConnectLinear(784, 256, 0.5, rngs=nnx.Rngs(0))
        >>> layer(jnp.ones((32, 784))).shape
        (32, 256)

    References:
        Wan, Zeiler, Zhang, LeCun, Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013,
        https://proceedings.mlr.press/v28/wan13.html. We differ: rescaling at training time; no inference by
        moments.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rate: float | Schedule = 0.5,
        *,
        per: str = "example",
        drop_bias: bool = True,
        use_bias: bool = True,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        precision: Any = None,
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: nnx.Rngs,
        site: str | None = None,
    ) -> None:
        nnx.Linear.__init__(
            self, in_features, out_features, use_bias=use_bias, dtype=dtype, param_dtype=param_dtype,
            precision=precision, rngs=rngs,
        )  # fmt: skip
        Drawing.__init__(
            self, deterministic=deterministic, rng_collection=rng_collection, rngs=rngs, site=site
        )
        self.rate = check_rate(rate)
        self.per = check_choice("per", per, PER)
        self.drop_bias = drop_bias

    def __call__(  # type: ignore[override]
        self,
        inputs: Any,
        *,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | Array | None = None,
    ) -> Any:
        """Thin in training; in evaluation, and at rate 0, use all weights."""
        given = inputs, self.kernel[...], None if self.bias is None else self.bias[...]
        return super().__call__(given, deterministic=deterministic, rngs=rngs)


class DropConnectDense(Connected, Scoped, nn.Dense):
    """Drop single weights with probability `rate` in training: `flax.linen.Dense` with a thinned kernel.

    See `thinned.flax.DropConnectLinear`.

    Attributes:
        rate: probability of dropping a weight, as in `Dropout`.
        per: "example" or "batch": who has a mask of its own.
        drop_bias: whether the bias is dropped too.
        deterministic: True in evaluation; here or in the call.
        rng_collection: the stream that keys are taken from.
        site: the name of its draws in a bound model; its path by default.

    The others are those of `flax.linen.Dense`.

    Raises:
        ConfigurationError: another word for `per`, or a `dot_general` of the user's.

    Example:
        >>> import jax, jax.numpy as jnp, thinned.flax
        >>> layer = thinned.flax.linen.DropConnectDense(256, rate=0.5, deterministic=False)
        >>> keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
        >>> layer.init_with_output(keys, jnp.ones((2, 784)))[0].shape
        (2, 256)

    References:
        Wan, Zeiler, Zhang, LeCun, Fergus, "Regularization of Neural Networks using DropConnect", ICML 2013,
        https://proceedings.mlr.press/v28/wan13.html. We differ: rescaling at training time; no inference by
        moments.
    """

    rate: float | Schedule = field(default=0.5, kw_only=True)
    per: str = field(default="example", kw_only=True)
    drop_bias: bool = field(default=True, kw_only=True)
    deterministic: bool | None = field(default=None, kw_only=True)
    rng_collection: str = field(default="dropout", kw_only=True)
    site: str | None = field(default=None, kw_only=True)

    @nn.compact
    def __call__(self, inputs: Any, deterministic: bool | None = None, rng: Any = None) -> Any:
        """Thin in training; in evaluation, and at rate 0, use all weights."""
        if self.dot_general is not None or self.dot_general_cls is not None:
            raise ConfigurationError(
                "expected DropConnectDense without dot_general and dot_general_cls, since it multiplies by thinned "
                "weights itself; got one. Leave it away."
            )
        shape = (jnp.shape(inputs)[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        bias = self.param("bias", self.bias_init, shape[1:], self.param_dtype) if self.use_bias else None
        return self.call((inputs, kernel, bias), deterministic, rng)
