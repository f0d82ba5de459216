"""Flax's modules, NNX and Linen."""

import inspect
from collections.abc import Callable
from typing import Any

import flax
import jax
import jax.numpy as jnp
from flax import nnx

from thinned.conformance.adapters.functions import Function, refuse_stated, subject_of
from thinned.conformance.adapters.jax import Jax
from thinned.conformance.signature import Parameters, parameters
from thinned.conformance.subject import Subject


class Flax(Jax):
    """JAX under Flax."""

    name = "Flax"

    @property
    def version(self) -> str:
        """Of Flax, and of JAX."""
        return f"{flax.__version__} on JAX {super().version}"


class Nnx:
    """A module of NNX; the token of a call is the module's whole state, in which its random streams count."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self._mode = parameters(type(layer).__call__, unknown="skip")
        # A module that has no mode of its own may hold some that have one: eval() reaches them.
        self._by_attribute = hasattr(layer, "deterministic") or not self._mode.has(
            "training", "deterministic"
        )
        self.shape: tuple[int, ...] = (2, 2)

    def raw(self, x: Any, *leaves: Any) -> Any:
        """A call in training, of a module whose state has these leaves."""
        # Made anew from bare arrays: variables of an outer trace may not count further inside of this one.
        graph, state = nnx.split(self.layer)
        layer = nnx.merge(graph, jax.tree.unflatten(jax.tree.structure(state), leaves))
        return self._called(layer, x, train=True)

    def token(self) -> tuple[Any, ...]:
        """The state now; the streams then go on as a call makes them."""
        if self._by_attribute:
            self.layer.train()
        now = tuple(jnp.copy(leaf) for leaf in jax.tree.leaves(nnx.state(self.layer)))
        self._called(self.layer, jnp.ones(self.shape), train=True)
        return now

    def __call__(self, x: Any) -> Any:
        """The next call in training."""
        return self._called(self.layer, x, train=True)

    def evaluate(self, x: Any) -> Any:
        """A call in evaluation."""
        try:
            return self._called(self.layer, x, train=False)
        finally:
            if self._by_attribute:
                self.layer.train()

    def _called(self, layer: Any, x: Any, *, train: bool) -> Any:
        if self._by_attribute:
            (layer.train if train else layer.eval)()
            return layer(x)
        return layer(x, **self._mode.mode(train))


def nnx_subject(
    make_layer: Callable[..., Any], *, kind: str, name: str, ours: bool, lacks: dict[str, str], **stated: Any
) -> Subject:
    """A subject of what makes a module; its streams are made from the seed, or reseeded."""
    refuse_stated(stated, "one of Flax")
    runtime = Flax()
    # A class takes them by `**more`; a function of the rate may take them by name.
    takes_rngs = {"rngs", "more"} & set(inspect.signature(make_layer).parameters)

    def layer(rate: float, rngs: Any) -> Any:
        return make_layer(rate, rngs=rngs) if takes_rngs else make_layer(rate)

    def make(rate: float, seed: int) -> Nnx:
        runtime.seed(seed)
        made = layer(rate, nnx.Rngs(seed))
        if not takes_rngs:
            nnx.reseed(made, default=seed, dropout=seed, params=seed)
        return Nnx(made)

    def twin(rate: float, seed: int) -> tuple[Nnx, Nnx]:
        rngs = nnx.Rngs(seed)
        return Nnx(layer(rate, rngs)), Nnx(layer(rate, rngs))

    if not takes_rngs:
        lacks = lacks | {
            "layers": "each is made with random streams of its own; give the class to verify two in a model"
        }
    return Subject(name, kind, runtime, make, twin, lacks, frozenset(), ours)


def linen_subject(
    make_layer: Callable[[float], Any],
    *,
    kind: str,
    name: str,
    ours: bool,
    lacks: dict[str, str],
    **stated: Any,
) -> Subject:
    """A subject of what makes a module without parameters; each call has a key for every stream."""
    refuse_stated(stated, "one of Flax")

    def at(rate: float) -> Function:
        layer = make_layer(rate)

        def call(x: Any, *, key: Any, deterministic: bool) -> Any:
            return layer.apply({}, x, deterministic=deterministic, rngs={"dropout": key, "params": key})

        return call

    known = Parameters({"x": "x", "key": "key", "deterministic": "deterministic"})
    return subject_of(at, known, Flax(), kind=kind, name=name, ours=ours, lacks=lacks)
