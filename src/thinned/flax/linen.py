"""Dropout and its relatives for Flax Linen: the layers, and models applied at an address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax.core.scope import in_filter, union_filters
from jax import Array

from thinned.errors import BindError
from thinned.flax._attention import LinenAttentionDropout as AttentionDropout
from thinned.flax._attention import LinenDotProductAttention as DotProductAttention
from thinned.flax._attention import LinenDropKey as DropKey
from thinned.flax._concrete import LinenConcreteDropout as ConcreteDropout
from thinned.flax._connect import DropConnectDense
from thinned.flax._depth import LinenLayerDrop as LayerDrop
from thinned.flax._depth import LinenStochasticDepth as StochasticDepth
from thinned.flax._embedding import LinenEmbeddingDropout as EmbeddingDropout
from thinned.flax._linen import (
    AlphaDropout,
    BatchDropout,
    DropBlock1d,
    DropBlock2d,
    DropBlock3d,
    Dropout,
    DropPath,
    FeatureAlphaDropout,
    GaussianDropout,
    GaussianNoise,
    LockedDropout,
    StochasticReLU,
    UniformDropout,
)
from thinned.flax._scopes import COLLECTION, NO_STEP, Call, draws, entered
from thinned.flax._tokens import LinenPatchDropout as PatchDropout
from thinned.flax._zoneout import LinenZoneoutCell as ZoneoutCell

__all__ = [
    "AlphaDropout",
    "AttentionDropout",
    "BatchDropout",
    "Bound",
    "ConcreteDropout",
    "DotProductAttention",
    "DropBlock1d",
    "DropBlock2d",
    "DropBlock3d",
    "DropConnectDense",
    "DropKey",
    "DropPath",
    "Dropout",
    "EmbeddingDropout",
    "FeatureAlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "LayerDrop",
    "LockedDropout",
    "PatchDropout",
    "StochasticDepth",
    "StochasticReLU",
    "UniformDropout",
    "ZoneoutCell",
]


@dataclass(frozen=True)
class Bound:
    """A Linen module and a seed: `init` and `apply` as the module has them, with an address in place of a key.

    The step *is* the key: pass the one that your loop already counts,

        bound.apply({"params": params}, x, train=True, step=state.step)

    or have it kept among the variables: `init` gives a collection `thinned` with seed and step, and
    `apply(..., mutable=["thinned"])` returns it advanced. Without either, a draw is an error.

    The seed is that of `bind`, whatever a collection holds from an earlier run. Only a call in which a layer drew
    takes a step.

    Layers inside `nn.remat`, `nn.jit` and `nn.cond` have the masks that they have without. Inside `nn.scan`,
    `nn.while_loop` and `nn.vmap` a draw is an error, unless they are told of the collection `thinned`: in a loop
    that carries it (`variable_carry="thinned"`) a layer that `setup` made has the site `name#k` at each turn;
    loops and lanes that broadcast it (`variable_axes={"thinned": None}`) have one mask. Else call
    `thinned.jax.dropout` there, with the turn or lane as draw.

    Args:
        module: any Linen module.
        seed: the run.

    Example:
        >>> import jax, jax.numpy as jnp, flax.linen as nn, thinned, thinned.flax
        >>> class Net(nn.Module):
        ...     @nn.compact
        ...     def __call__(self, x, train):
        ...         return thinned.flax.linen.Dropout(0.5, deterministic=not train, name="drop")(x)
        >>> net = thinned.flax.bind(Net(), seed=0)
        >>> y = net.apply({}, jnp.ones((2, 8)), train=True, step=7)
        >>> (y != 0).tolist() == thinned.mask.keep((2, 8), 0.5, seed=0, site="drop", step=7).tolist()
        True
    """

    module: nn.Module
    seed: int

    def init(self, rngs: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The module's variables, and the collection `thinned` at step 0."""
        method = self._entered(kwargs.pop("method", None), 0)
        found = self.module.init(rngs, *args, method=method, **kwargs)
        return {**found, COLLECTION: {"address": self.address(0)}}

    def address(self, step: Any) -> Array:
        """What the collection holds: uint32 (seed's low word, high word, step)."""
        words = (self.seed & 0xFFFFFFFF, self.seed >> 32, step)
        return jnp.stack([jnp.asarray(word, jnp.uint32) for word in words])

    def apply(
        self, variables: Mapping[str, Any], *args: Any, step: Any = None, mutable: Any = False, **kwargs: Any
    ) -> Any:
        """The module's `apply`, every draw at this seed and a step.

        Args:
            variables: the module's, and perhaps the collection `thinned`.
            *args: of the module.
            step: the training step, an integer or an integer array of one; the collection's, by default.
            mutable: as Flax has it; with "thinned" the step is advanced, if a layer drew.
            **kwargs: of the module, and of Flax's `apply`.

        Raises:
            BindError: a layer draws, and there is no step, or its address cannot be known.
        """
        rest = {name: value for name, value in variables.items() if name != COLLECTION}
        if step is None and COLLECTION in variables:
            step = variables[COLLECTION]["address"][2]
        method = self._entered(kwargs.pop("method", None), step)
        # The call writes there what its layers have drawn, whether the user wants to know or not.
        found, changed = self.module.apply(
            rest, *args, method=method, mutable=union_filters(mutable, COLLECTION), **kwargs
        )
        if mutable is False:
            return found
        changed = dict(changed)
        uses = draws(changed.pop(COLLECTION, {}))
        if in_filter(mutable, COLLECTION):
            if step is None:
                raise BindError(NO_STEP)
            drew = sum(jnp.asarray(count > 0, jnp.uint32) for count in uses)
            changed[COLLECTION] = {
                "address": self.address(jnp.asarray(step, jnp.uint32) + jnp.minimum(drew, 1))
            }
        return found, changed

    def _entered(self, method: Any, step: Any) -> Any:
        """A method of the module, by name or as a function, that begins a call of ours."""
        return entered(
            self.module, method, Call(has_step=step is not None), self.address(0 if step is None else step)
        )
