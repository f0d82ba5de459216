"""What a bound model knows, and where it is in a call."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

import keras

from thinned.errors import BindError
from thinned.keras._backend import backend
from thinned.keras._loops import loop_since, place
from thinned.keras._names import walk
from thinned.keras._state import Address
from thinned.mask.address import site_id
from thinned.methods.batch import Batch, batch_window
from thinned.methods.site import check_names, part_name, use_name


class Draw(NamedTuple):
    """The address of one draw, its element aside."""

    seed: Any
    site: int
    step: Any


class _Call:
    """One call of a bound model: its seed and step, as the backend has them, and how often each layer has drawn.

    Args:
        binding: the model's.
        pending: its step is still to be taken, by the first draw.
        root: the frame in which it runs, or None.
    """

    def __init__(self, binding: "Binding", *, pending: bool, root: FrameType | None) -> None:
        self.binding = binding
        self.seed, self.step = binding.address.begin()
        self.pending = pending
        self.root = root
        self.uses: dict[str, int] = {}

    def use(self, name: str) -> Draw:
        """The next draw of a layer."""
        loop = loop_since(self.root)
        if loop is not None:
            raise BindError(
                f"expected the draws of layer {name!r} outside of loops; got one in the body of {loop}, which "
                "backends run once for all steps, or at each, so its steps have no addresses. Draw outside the "
                "loop, with its steps as an axis of the layer's input, or unroll the loop: RNN(unroll=True)."
            )
        if self.pending:
            self.binding.address.advance()
            self.pending = False
        count = self.uses.get(name, 0)
        self.uses[name] = count + 1
        return Draw(self.seed, self.binding.site(name, count), self.step)


class _Active(threading.local):
    """Where this thread is.

    `calls` are of bound models, the innermost last. `noted` are stretches of them that will be computed again for
    the backward pass: for each layer, what it did, in its order. `repeated` are such stretches, as it happens.
    """

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.noted: list[dict[str, list[Draw | None]]] = []
        self.repeated: list[dict[str, Iterator[Draw | None]]] = []


_active = _Active()


class Binding:
    """What a bound model knows: its address, its layers' sites, its rows' place in the batch.

    Args:
        root: the model.
        address: its seed and step.
        batch: `(axis, global_size, start)` of the local rows in the global batch, or None.
    """

    def __init__(self, root: Any, address: Address, batch: Batch | None) -> None:
        self.root = root
        self.address = address
        self.batch = batch
        self.layers: dict[str, Any] = {}
        self._sites: dict[tuple[str, int], int] = {}

    def join(self, layers: dict[str, Any]) -> None:
        """Take these layers, by the names of their sites, and no others."""
        self.leave()
        self.layers = layers
        for name, layer in layers.items():
            vars(layer).update(_binding=self, _site_name=name)
            for part in layer.parts:
                self.site(part_name(name, part), 0)  # now, and not where a compiler reads the code
        for _, layer in walk(self.root):
            if layer is not self.root and getattr(layer, "_remat_mode", None):
                vars(layer)["rematerialized_call"] = _watched(self, layer)

    @property
    def held(self) -> dict[str, Any]:
        """The layers that no binding has taken since."""
        return {name: layer for name, layer in self.layers.items() if vars(layer).get("_binding") is self}

    def unclaimed(self, layers: dict[str, Any]) -> dict[str, Any]:
        """Those of `layers` that no other binding holds."""
        return {name: layer for name, layer in layers.items() if vars(layer).get("_binding", self) is self}

    def leave(self) -> None:
        """Set the layers free, unless another binding has taken over."""
        for layer in self.layers.values():
            if vars(layer).get("_binding") is self:
                del vars(layer)["_binding"]
        for _, layer in walk(self.root):
            vars(layer).pop("rematerialized_call", None)

    @contextmanager
    def call(self, *, training: bool) -> Iterator[None]:
        """A call of the model; its step is taken at once in training, else by the first draw, if there is one."""
        if self.batch is None:
            backend.check_alone()
        call = _Call(self, pending=not training, root=place(2))
        if training:
            self.address.advance()
        _active.calls.append(call)
        try:
            yield
        finally:
            _active.calls.pop()
            call.root = None  # a frame keeps all that it named

    def use(self, name: str, drops: bool, part: str = "") -> Draw | None:
        """The address of a layer's next draw; None where it lets its input pass.

        Args:
            name: of the layer's site.
            drops: whether the layer was asked to. A recomputation does what the first run did, since Keras does
                not know then whether it trains.
            part: which of its draws.
        """
        place = part_name(name, part)
        if _active.repeated:
            draw = next(_active.repeated[-1].get(place, iter(())), None)
        else:
            draw = self._call(name).use(place) if drops else None
        for stretch in _active.noted:
            stretch.setdefault(place, []).append(draw)
        return draw

    def step_of(self, name: str) -> Any:
        """The step of the call of the model that one of its layers is in."""
        return self._call(name).step

    def recomputable(self, remat: Callable[..., Any], layer_call: Callable[..., Any], kwargs: Any) -> Any:
        """A layer's call that Keras may compute again, which then has the draws of its first run.

        Args:
            remat: the layer's `rematerialized_call`.
            layer_call: what it is asked to make recomputable.
            kwargs: of the call; those that are no tensors are kept from the backends' recomputation, which on
                JAX and TensorFlow takes none.
        """
        noted: dict[str, list[Draw | None]] = {}
        runs = [0]
        plain = {name: value for name, value in kwargs.items() if value is None or isinstance(value, bool)}
        rest = {name: value for name, value in kwargs.items() if name not in plain}

        def run(*args: Any, **kwargs: Any) -> Any:
            runs[0] += 1
            is_first = runs[0] == 1
            stack: list[Any] = _active.noted if is_first else _active.repeated
            stack.append(noted if is_first else {name: iter(draws) for name, draws in noted.items()})
            try:
                return layer_call(*args, **kwargs, **plain)
            finally:
                stack.pop()

        return lambda *args, **_: remat(run, *args, **rest)(*args, **rest)

    def window(self, x: Any) -> Any:
        """Where the local rows of `x` lie in the global batch."""
        return None if self.batch is None else batch_window(keras.ops.shape(x), self.batch)

    def site(self, name: str, count: int) -> int:
        """The site of the `count`-th use of a layer in one call of the model."""
        key = name, count
        if key not in self._sites:
            self._sites[key] = site_id(use_name(name, count))
        return self._sites[key]

    def _call(self, name: str) -> _Call:
        for call in reversed(_active.calls):
            if call.binding is self:
                return call
        layer = self.layers[name]
        for call in _active.calls:
            if any(each is layer for each in call.binding.layers.values()):
                raise BindError(
                    f"layer {name!r} of {call.binding.root.name!r}, whose call this is, was bound again with "
                    f"{self.root.name!r}, which has taken it. Give each model a layer of its own, or bind one "
                    "model that holds both."
                )
        raise BindError(
            f"layer {name!r} is bound, and its address comes from a call of the bound model; it was called outside "
            "one. Call the bound model, or bind the part that you call: thinned.keras.bind(part, seed). If it was "
            "recomputed for a backward pass, build what is recomputed under keras.RematScope."
        )


def site_layers(root: Any) -> dict[str, Any]:
    """The layers of ours in a model, by the names of their sites.

    Raises:
        BindError: two of them would draw alike.
    """
    found = [(layer.site or name, layer) for name, layer in walk(root) if hasattr(type(layer), "is_thinned")]
    check_names(part_name(name, part) for name, layer in found for part in layer.parts)
    return dict(found)


def adopt(layer: Any) -> None:
    """Bind a free layer that a bound model made after it was bound, when the model first calls it."""
    if _active.calls:
        binding = _active.calls[-1].binding
        layers = binding.unclaimed(site_layers(binding.root))
        if any(each is layer for each in layers.values()):
            binding.join(layers)


def _watched(binding: Binding, layer: Any) -> Callable[..., Any]:
    """`layer.rematerialized_call`, through which Keras asks for a call that may be computed again."""

    def rematerialized_call(layer_call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return binding.recomputable(partial(type(layer).rematerialized_call, layer), layer_call, kwargs)

    return rematerialized_call
