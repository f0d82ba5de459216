"""Dropout for Flax Linen: the layer, and models applied at an address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

import thinned.jax
from thinned.errors import BindError
from thinned.flax._notes import Call, Note, is_zero, thread
from thinned.mask.sharing import layout
from thinned.methods.site import use_name

__all__ = ["Bound", "Dropout"]

COLLECTION = "thinned"


class Dropout(nn.Dropout):
    """Zero elements with probability `rate` in training: `flax.linen.Dropout` with the law's masks.

    A free layer takes its key from `rngs={"dropout": key}`, as Flax's own does. In a model applied by
    `thinned.flax.bind(model, seed)` its mask is `thinned.mask.keep(x.shape, rate, seed=seed, site=path,
    step=step)`, where `path` is its path, joined by dots, and no key is needed.

    Attributes:
        rate: probability of dropping, 0 <= rate <= 1.
        broadcast_dims: axes along which one draw is shared.
        deterministic: True in evaluation; here or in the call.
        rng_collection: the stream that keys are taken from.
        site: the name of its draws in a bound model; its path by default.

    Raises:
        RateError: `rate` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.

    Example:
        >>> import jax, jax.numpy as jnp, thinned.flax
        >>> layer = thinned.flax.linen.Dropout(0.5, deterministic=False)
        >>> y = layer.apply({}, jnp.ones(1000), rngs={"dropout": jax.random.key(0)})
        >>> sorted(set(y.tolist()))
        [0.0, 2.0]

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    site: str | None = None

    @nn.compact
    def __call__(self, inputs: Any, deterministic: bool | None = None, rng: Any = None) -> Any:
        """Drop in training, return `inputs` itself in evaluation and at rate 0."""
        scope: Any = self.scope
        name = self.site or ".".join(scope.path)
        if thread.notes is not None:
            mask_shape = layout(jnp.shape(inputs), self.broadcast_dims).mask_shape
            thread.notes.append(Note(scope.path, name, self.rate, mask_shape))
            return inputs
        off = nn.merge_param("deterministic", self.deterministic, deterministic)
        if off or is_zero(self.rate):
            return inputs
        address: dict[str, Any]
        if rng is None and thread.linen:
            call = thread.linen[-1]
            address = {"seed": call.seed, "site": use_name(name, call.count(name)), "step": call.step}
        else:
            key = self.make_rng(self.rng_collection) if rng is None else rng
            address = {"seed": jax.random.bits(key, (2,), "uint32")}
        return thinned.jax.dropout(inputs, self.rate, share=self.broadcast_dims, **address)


@dataclass(frozen=True)
class Bound:
    """A Linen module and a seed: `init` and `apply` as the module has them, with an address in place of a key.

    The step *is* the key: pass the one that your loop already counts,

        bound.apply({"params": params}, x, train=True, step=state.step)

    or have it kept among the variables: `init` gives a collection `thinned` with seed and step, and
    `apply(..., mutable=["thinned"])` returns it advanced. Without either, a draw is an error.

    Layers inside `nn.remat` repeat their masks. A layer inside `nn.scan` draws one mask for all turns, since the
    loop does not say which turn it is in: there call `thinned.jax.dropout` with a step or draw of your own. A block
    inside `nn.jit` that is called twice repeats its masks, since Flax traces it once: compile the whole call.

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
        with _Calling(Call(self.seed, 0)):
            found = self.module.init(rngs, *args, **kwargs)
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
            mutable: as Flax has it; with "thinned" the step is advanced.
            **kwargs: of the module, and of Flax's `apply`.

        Raises:
            BindError: a layer draws, and there is no step.
        """
        rest = {name: value for name, value in variables.items() if name != COLLECTION}
        seed: Any = self.seed
        kept = variables.get(COLLECTION)
        if kept is not None and step is None:
            seed, step = kept["address"][:2], kept["address"][2]
        advance, mutable = _without(mutable)
        with _Calling(Call(seed, _Unknown() if step is None else step)):
            found = self.module.apply(rest, *args, mutable=mutable, **kwargs)
        if not advance:
            return found
        if step is None:
            raise BindError(_NO_STEP)
        result, changed = found if mutable else (found, {})
        following = jnp.asarray(step, jnp.uint32) + 1
        address = self.address(following) if kept is None else jnp.append(kept["address"][:2], following)
        return result, {**changed, COLLECTION: {"address": address}}


_NO_STEP = (
    "expected a step for a bound Linen model; got none. Pass step=state.step to apply, or the collection 'thinned' "
    "of init among the variables."
)


class _Unknown:
    """A step that nobody gave: an error where it is asked for, and none where nothing is drawn."""

    @property
    def shape(self) -> Any:
        raise BindError(_NO_STEP)


class _Calling:
    """A call of a bound model, while it lasts."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        thread.linen.append(self._call)

    def __exit__(self, *_: Any) -> None:
        thread.linen.pop()


def _without(mutable: Any) -> tuple[bool, Any]:
    """Whether the collection is to be advanced, and what Flax is told."""
    if mutable is True or mutable == COLLECTION:
        return True, mutable is True
    if isinstance(mutable, (list, tuple, set)) and COLLECTION in mutable:
        return True, [name for name in mutable if name != COLLECTION] or False
    return False, mutable
