"""What every NNX layer of ours has in common: an address for each draw, free or bound."""

from typing import Any, TypedDict, Unpack

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from thinned.errors import BindError
from thinned.flax._kinds import Kind, is_zero, rate_at
from thinned.flax._notes import Note, thread
from thinned.flax._uses import place_of
from thinned.methods.schedule import Schedule, check_rate
from thinned.methods.site import check_site, part_name


class Use(nnx.RngState):
    """What a layer holds during a call of its bound model: the seed's two words, the step, and its draws so far."""


class Drawing(nnx.Module, Kind):
    """A layer that draws: free until its model is bound, then each draw has an address.

    A subclass is a `Kind` too, which says what is done with the draws. (Flax's class comes first among the bases:
    else `convert` could give no layer of Flax's one of these classes.)
    """

    is_thinned = True
    site: str | None = None
    bound_name = ""
    look: int | None = None

    # What `nnx.view` calls: Flax's own, since `nnx.view_info` reads its docstring by its indentation. Before 0.12
    # there is none.
    set_view: Any = getattr(nnx.Dropout, "set_view", None)

    def __init__(
        self,
        *,
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: nnx.Rngs | nnx.RngStream | None = None,
        site: str | None = None,
    ) -> None:
        check_site(site)
        self.deterministic = deterministic
        self.rng_collection = rng_collection
        self.site = site
        if rngs is not None and not isinstance(rngs, (nnx.Rngs, nnx.RngStream)):
            raise TypeError(f"expected rngs as nnx.Rngs or one of its streams; got {type(rngs).__name__}.")
        stream = rngs[rng_collection] if isinstance(rngs, nnx.Rngs) else rngs
        self.rngs = nnx.data(None) if stream is None else stream.fork()

    def __call__(
        self,
        inputs: Any,
        *,
        deterministic: bool | None = None,
        rngs: nnx.Rngs | nnx.RngStream | Array | None = None,
    ) -> Any:
        """Draw in training; in evaluation and at rate 0 return what needs no draw."""
        if thread.notes is not None:
            for part, shape in self.mask_shapes(inputs):
                rate = self.amount_of(part)
                thread.notes.append(Note(self, part_name(self.bound_name, part), rate, shape))
            return self.undrawn(inputs)
        off = self.deterministic if deterministic is None else deterministic
        if off is None:
            raise ValueError(
                f"expected deterministic=True or False in {type(self).__name__} or in its call; got None. No "
                "`deterministic` argument was provided: model.train() and model.eval() set it, too."
            )
        if off:
            return self.undrawn(inputs)
        use: Use | None = vars(self).get("use")
        if use is not None or self.bound_name:
            return self._bound(inputs, use)
        if is_zero(self.amount):
            return self.undrawn(inputs)
        keys = self.rngs if rngs is None else rngs
        rate = rate_at(self, None)
        return (
            self.unseeded(inputs) if keys is None else self.drawn(inputs, rate, lambda _="": self._free(keys))
        )

    def unseeded(self, inputs: Any) -> Any:
        """What a free layer makes of no keys at all: an error, but where a framework's own layer has none."""
        raise ValueError(
            f"expected keys for {type(self).__name__}, which draws; got none: `deterministic` is False, but there "
            "is no `rngs` argument. Pass rngs=nnx.Rngs(0) to the layer or its call, or bind its model: "
            "thinned.flax.bind(model, seed)."
        )

    def _free(self, keys: Any) -> dict[str, Any]:
        """A fresh seed from the given keys."""
        if isinstance(keys, nnx.Rngs):
            keys = keys[self.rng_collection]
        key = keys() if isinstance(keys, nnx.RngStream) else keys
        return {"seed": jax.random.bits(key, (2,), "uint32")}

    def _bound(self, inputs: Any, use: Use | None) -> Any:
        if use is None:
            raise BindError(
                f"layer {self.bound_name!r} is bound, and its address comes from a call of the bound model; it was "
                "called outside one. Call the bound model, or bind the part that you call: "
                "thinned.flax.bind(part, seed)."
            )
        low, high, step, count = use[...]
        # As data and no Python count: a part that was compiled by itself is not traced again for its second use.
        use[...] = jnp.stack([low, high, step, count + 1])
        if is_zero(self.amount):
            return self.undrawn(inputs)

        def at(part: str = "") -> dict[str, Any]:
            place = place_of(part_name(self.bound_name, part), count)
            return {"seed": jnp.stack([low, high]), "step": step, **place}

        return self.drawn(inputs, rate_at(self, step), at)

    def step_now(self) -> Any:
        use: Use | None = vars(self).get("use")
        return None if use is None else use[...][2]

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


class Common(TypedDict, total=False):
    """The keyword arguments of every layer."""

    deterministic: bool | None
    rng_collection: str
    rngs: nnx.Rngs | nnx.RngStream | None
    site: str | None


class Rated(Drawing):
    """A layer with a rate."""

    def __init__(self, rate: float | Schedule = 0.5, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        self.rate = check_rate(rate)
