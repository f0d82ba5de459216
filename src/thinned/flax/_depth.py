"""Stochastic depth and LayerDrop for NNX and Linen: what is dropped is not run."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Unpack

import jax.numpy as jnp
from flax import linen as nn
from flax import nnx

from thinned.flax import _drawing as of_nnx
from thinned.flax import _linen as of_linen
from thinned.flax._drawing import Common
from thinned.flax._kinds import At, Kind
from thinned.jax._branch import added, decided, is_known
from thinned.methods.layer_drop import check_stride
from thinned.methods.schedule import Schedule

Inputs = tuple[Any, tuple[Any, ...], dict[str, Any]]
"""Of a call: the array, and what else the branch or the layers are given."""


class Skipping(Kind):
    """A layer that runs others, or does not."""

    def if_kept(self, kept: Any, module: Any, run: Callable[[Any, Any], Any], x: Any) -> Any:
        """`run(module, x)` where a layer is kept, else `x`; of the framework, where a program is traced."""
        raise NotImplementedError

    def _conditional(self, kept: Any, module: Any, run: Callable[[Any, Any], Any], x: Any) -> Any:
        if is_known(kept):
            return run(module, x) if bool(kept) else x
        return self.if_kept(kept, module, run, x)


class Branch(Skipping):
    """A residual branch. Its methods are given the inputs of a call."""

    branch: Any
    shortcut: Any

    def mask_shapes(self, x: Inputs) -> list[tuple[str, tuple[int, ...]]]:
        return [("", (1,) * jnp.ndim(x[0]))]

    def undrawn(self, x: Inputs) -> Any:
        array, args, kwargs = x
        return added(self._short(array), self.branch(array, *args, **kwargs), 1)

    def drawn(self, x: Inputs, rate: Any, at: At) -> Any:
        array, args, kwargs = x
        where = {"site": 0, "step": 0, "draw": 0, **at()}
        kept, factor = decided(1, rate, [where[name] for name in ("seed", "site", "step", "draw")])

        def run(branch: Any, shortcut: Any) -> Any:
            return added(shortcut, branch(array, *args, **kwargs), factor)

        return self._conditional(kept[0], self.branch, run, self._short(array))

    def _short(self, x: Any) -> Any:
        return x if self.shortcut is None else self.shortcut(x)


class Stack(Skipping):
    """Layers, one behind the other."""

    layers: Any

    def mask_shapes(self, x: Inputs) -> list[tuple[str, tuple[int, ...]]]:
        return [("", (len(self.layers),))]

    def undrawn(self, x: Inputs) -> Any:
        array, args, kwargs = x
        for layer in self.layers:
            array = layer(array, *args, **kwargs)
        return array

    def drawn(self, x: Inputs, rate: Any, at: At) -> Any:
        array, args, kwargs = x
        where = {"site": 0, "step": 0, "draw": 0, **at()}
        kept, _ = decided(len(self.layers), rate, [where[name] for name in ("seed", "site", "step", "draw")])

        def run(layer: Any, x: Any) -> Any:
            return _like(x, layer, layer(x, *args, **kwargs))

        for place, layer in enumerate(self.layers):
            array = self._conditional(kept[place], layer, run, array)
        return array


def _like(x: Any, layer: Any, y: Any) -> Any:
    """What a layer gave, which must be able to stand where its input stood."""
    if jnp.shape(y) != jnp.shape(x):
        raise ValueError(
            f"expected layers that return an array of their input's shape, {jnp.shape(x)}, since any of them may "
            f"be dropped; got {jnp.shape(y)} from {type(layer).__name__}."
        )
    return y.astype(x.dtype)


def check_module(what: str, module: Any) -> Any:
    """Refuse what is no module: a condition of Flax carries the state of one, and no function.

    Raises:
        TypeError: says what it must be.
    """
    if not isinstance(module, (nnx.Module, nn.Module)):
        raise TypeError(
            f"expected {what} that is a module of Flax, whose variables it may be left without; got "
            f"{type(module).__name__}. Write a function as the call of a module."
        )
    return module


class _OfNnx(of_nnx.Rated, Skipping):
    """The condition of NNX, which carries what a branch changes out of it."""

    def if_kept(self, kept: Any, module: Any, run: Callable[[Any, Any], Any], x: Any) -> Any:
        return nnx.cond(kept, run, lambda module, x: x, module, x)

    def __call__(  # type: ignore[override]
        self, x: Any, *args: Any, deterministic: bool | None = None, rngs: Any = None, **kwargs: Any
    ) -> Any:
        """Run in evaluation, and where it is kept."""
        return super().__call__((x, args, kwargs), deterministic=deterministic, rngs=rngs)


class StochasticDepth(_OfNnx, Branch):
    """A residual block that leaves its branch out, for the whole batch, with probability `rate` in training.

        y = shortcut(x) + k branch(x) / (1 - T / 65536),   T = round(65536 rate),   k the mask's only element

    A dropped branch **is not run**, eager and compiled (`nnx.cond`), forward and backward; its parameters have
    gradients of zero then. All devices drop the same branches: the address does not depend on the batch. Under
    `vmap` with an address for each lane XLA runs the branch and selects. Evaluation gives `shortcut(x) +
    branch(x)`. What a branch changes, such as the statistics of a BatchNorm, changes only where it runs.

    Args:
        branch: a module; called as `branch(x, *args, **kwargs)`, it returns one array like `shortcut(x)`.
        rate: probability of dropping, as in `Dropout`.
        shortcut: a module, called as `shortcut(x)`; by default the identity.
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        RateError: as `Dropout`.
        TypeError: a branch that is no module of Flax.
        ValueError: when called, a branch whose result has not the shape of the shortcut's.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> branch = nnx.Linear(4, 4, rngs=nnx.Rngs(0))
        >>> block = thinned.flax.StochasticDepth(branch, 1.0, rngs=nnx.Rngs(0))
        >>> block(jnp.ones((1, 4)))
        Array([[1., 1., 1., 1.]], dtype=float32)

    References:
        Huang, Sun, Liu, Sedra, Weinberger, "Deep Networks with Stochastic Depth", 2016,
        https://arxiv.org/abs/1603.09382. We differ: rescaling at training time rather than at test time; and the
        ReLU behind their sum is yours to add.
    """

    def __init__(
        self,
        branch: nnx.Module,
        rate: float | Schedule = 0.5,
        shortcut: nnx.Module | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(rate, **common)
        check_module("a branch", branch)
        self.branch, self.shortcut = nnx.data(branch), nnx.data(shortcut)


class LayerDrop(_OfNnx, Stack):
    """A stack that leaves each of its layers out, for the whole batch, with probability `rate` in training.

        x <- k[i] layer_i(x) + (1 - k[i]) x,   i = 0, 1, ...,   k = mask.keep((layers,), rate, ...)

    A dropped layer **is not run**: see `StochasticDepth`. Nothing is rescaled, as in the paper.

    Args:
        layers: modules, called as `layer(x, *args, **kwargs)`; each returns one array like `x`.
        rate: probability of dropping, as in `Dropout`.
        **common: `deterministic`, `rng_collection`, `rngs` and `site`, as in `Dropout`.

    Raises:
        RateError: as `Dropout`.
        TypeError: a part that is no module of Flax.
        ValueError: when called, a layer whose result has not the shape of its input.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> rngs = nnx.Rngs(0)
        >>> stack = thinned.flax.LayerDrop([nnx.Linear(4, 4, rngs=rngs) for _ in range(6)], 0.5, rngs=rngs)
        >>> stack(jnp.ones((2, 4))).shape
        (2, 4)
        >>> len(stack.layers), len(stack.keep_every(2).layers)
        (6, 3)

    References:
        Fan, Grave, Joulin, "Reducing Transformer Depth on Demand with Structured Dropout", 2020,
        https://arxiv.org/abs/1909.11556.
    """

    def __init__(
        self, layers: Iterable[nnx.Module], rate: float | Schedule = 0.2, **common: Unpack[Common]
    ) -> None:
        super().__init__(rate, **common)
        layers = [check_module("a part", layer) for layer in layers]
        self.layers = nnx.Sequential(*layers).layers  # which knows how this version of Flax keeps lists

    def keep_every(self, n: int) -> "LayerDrop":
        """A stack of layers 0, n, 2n, ...: the same modules, for inference with a part of the depth.

        Args:
            n: 1 keeps all, 2 every other one, as the paper prunes.

        Raises:
            ValueError: `n` is no whole number of at least 1.
        """
        check_stride(n)
        return LayerDrop(list(self.layers)[::n], self.rate, deterministic=self.deterministic, site=self.site)


class _OfLinen(of_linen.Drawing, Skipping):
    """The condition of Linen, whose variables are lifted into it."""

    def if_kept(self, kept: Any, module: Any, run: Callable[[Any, Any], Any], x: Any) -> Any:
        return nn.cond(kept, run, lambda module, x: x, module, x)

    @nn.compact
    def __call__(  # type: ignore[override]
        self, x: Any, *args: Any, deterministic: bool | None = None, rng: Any = None, **kwargs: Any
    ) -> Any:
        """Run in evaluation, and where it is kept; when variables are made, run all."""
        if self.is_initializing():
            return self.undrawn((x, args, kwargs))
        return self.call((x, args, kwargs), deterministic, rng)


class LinenStochasticDepth(Branch, _OfLinen):
    """A residual block that leaves its branch out, for the whole batch: see `thinned.flax.StochasticDepth`.

    Attributes:
        branch: a module; called as `branch(x, *args, **kwargs)`, it returns one array like `shortcut(x)`.
        rate: probability of dropping, as in `Dropout`.
        shortcut: a module, called as `shortcut(x)`; by default the identity.

    The others are those of `Dropout`, but for `broadcast_dims`.

    References:
        Huang et al., 2016, https://arxiv.org/abs/1603.09382.
    """

    branch: nn.Module  # type: ignore[misc]  # Flax has the fields of a base by keyword
    rate: float | Schedule = 0.5
    shortcut: nn.Module | None = None

    def __post_init__(self) -> None:
        check_module("a branch", self.branch)
        super().__post_init__()


class LinenLayerDrop(Stack, _OfLinen):
    """A stack that leaves each of its layers out, for the whole batch: see `thinned.flax.LayerDrop`.

    Attributes:
        layers: modules, called as `layer(x, *args, **kwargs)`; each returns one array like `x`.
        rate: probability of dropping, as in `Dropout`.

    The others are those of `Dropout`, but for `broadcast_dims`.

    References:
        Fan, Grave, Joulin, 2020, https://arxiv.org/abs/1909.11556.
    """

    layers: Sequence[nn.Module]  # type: ignore[misc]  # as above
    rate: float | Schedule = 0.2

    def __post_init__(self) -> None:
        for layer in self.layers:
            check_module("a part", layer)
        super().__post_init__()


LinenStochasticDepth.__name__ = LinenStochasticDepth.__qualname__ = "StochasticDepth"
LinenLayerDrop.__name__ = LinenLayerDrop.__qualname__ = "LayerDrop"
