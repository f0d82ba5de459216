"""The NNX layer: Flax's own, with the law's masks. Free until its model is bound."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

import thinned.jax
from thinned.errors import BindError
from thinned.flax._notes import Note, is_zero, thread
from thinned.flax._uses import place_of
from thinned.mask.rate import threshold
from thinned.mask.sharing import layout


class Use(nnx.RngState):
    """What a layer holds during a call of its bound model: the seed's two words, the step, and its draws so far."""


class Dropout(nnx.Dropout):
    """Zero elements with probability `rate` in training: `nnx.Dropout` with the law's masks.

        y = k x / (1 - T / 65536),   T = round(65536 rate)

    A free layer takes a fresh key from its `nnx.Rngs` at each call, as Flax's own does. In a bound model its mask
    is `thinned.mask.keep(x.shape, rate, seed=seed, site=name, step=step)`, and no key is taken.

    Args:
        rate: probability of dropping, 0 <= rate <= 1; may be set later (`layer.rate = 0.0`).
        broadcast_dims: axes along which one draw is shared.
        deterministic: True in evaluation; `model.train()` and `model.eval()` set it.
        rng_collection: the stream of `rngs` that keys are taken from.
        rngs: an `nnx.Rngs` or one stream of it; a bound layer needs none.
        site: the name of its draws in a bound model; its path, joined by dots, by default.

    Raises:
        RateError: `rate` outside [0, 1], NaN, or so near to 0 or 1 that no threshold tells it from them.
        ValueError: Flax's own, where neither `deterministic` nor a key is to be had.

    Example:
        >>> import jax.numpy as jnp, thinned.flax
        >>> from flax import nnx
        >>> layer = thinned.flax.Dropout(0.5, rngs=nnx.Rngs(0))
        >>> sorted(set(layer(jnp.ones(1000)).tolist()))
        [0.0, 2.0]
        >>> layer.eval()
        >>> layer(jnp.ones(3))
        Array([1., 1., 1.], dtype=float32)

    References:
        Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15,
        2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    is_thinned = True
    site: str | None = None
    bound_name = ""
    look: int | None = None

    def __init__(
        self,
        rate: float,
        *,
        broadcast_dims: Sequence[int] = (),
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: nnx.Rngs | nnx.RngStream | None = None,
        site: str | None = None,
    ) -> None:
        threshold(rate)
        super().__init__(
            rate,
            broadcast_dims=broadcast_dims,
            deterministic=deterministic,
            rng_collection=rng_collection,
            rngs=rngs,
        )
        self.site = site

    def __call__(
        self,
        inputs: Any,
        *,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | Array | None = None,
    ) -> Array:
        """Drop in training, return `inputs` itself in evaluation and at rate 0."""
        if thread.notes is not None:
            mask_shape = layout(jnp.shape(inputs), self.broadcast_dims).mask_shape
            thread.notes.append(Note(self, self.bound_name, self.rate, mask_shape))
            return inputs  # type: ignore[no-any-return]
        off = self.deterministic if deterministic is None else deterministic
        use: Use | None = vars(self).get("use")
        if off is None or off:  # an error in Flax's words, or the inputs
            return super().__call__(inputs, deterministic=deterministic, rngs=rngs)
        address = self._bound(use) if use is not None or self.bound_name else self._free(rngs)
        if address is None:
            return super().__call__(inputs, deterministic=False, rngs=rngs)
        if is_zero(self.rate):
            return inputs  # type: ignore[no-any-return]
        return thinned.jax.dropout(inputs, self.rate, share=self.broadcast_dims, **address)

    def _free(self, rngs: Any) -> dict[str, Any] | None:
        """A fresh seed from the given keys; None where there are none, of which Flax has something to say."""
        if is_zero(self.rate):
            return {}
        keys = self.rngs if rngs is None else rngs
        if isinstance(keys, nnx.Rngs):
            key = keys[self.rng_collection]()
        elif isinstance(keys, nnx.RngStream):
            key = keys()
        elif isinstance(keys, Array):
            key = keys
        else:
            return None
        return {"seed": jax.random.bits(key, (2,), "uint32")}

    def _bound(self, use: Use | None) -> dict[str, Any]:
        if use is None:
            raise BindError(
                f"layer {self.bound_name!r} is bound, and its address comes from a call of the bound model; it was "
                "called outside one. Call the bound model, or bind the part that you call: "
                "thinned.flax.bind(part, seed)."
            )
        low, high, step, count = use[...]
        # As data and no Python count: a part that was compiled by itself is not traced again for its second use.
        use[...] = jnp.stack([low, high, step, count + 1])
        return {"seed": jnp.stack([low, high]), "step": step, **place_of(self.bound_name, count)}

    def open(self, name: str, given: Array) -> tuple[str, Use | None]:
        """Draw at the site `name` and a call's address until it is closed; gives what `close` needs.

        The address is an attribute, and so whatever carries the layer into a part that is compiled, recomputed or
        looped over carries it too; a layer without it is in no call of its model.
        """
        before: tuple[str, Use | None] = self.bound_name, vars(self).get("use")
        self.bound_name, self.use = name, Use(given)
        return before

    def close(self, name: str, use: Use | None) -> None:
        """Undo `open`."""
        self.bound_name = name
        if use is None:
            del self.use
        else:
            self.use = use

    @property
    def draws(self) -> Array:
        """How often it has drawn in this call."""
        found: Array = self.use[...][3]
        return found
