"""What a bound network knows, and how it gives every draw an address, imperative and hybridised.

Gluon calls a hybridised block's children once, with symbols, and afterwards runs the graph that they left. So a
layer in a graph has its address from an input of the graph, its *ticket*: a fresh array for each call, made when
the graph is called, and kept by MXNet until the backward pass has read it. Nothing is ever written to one.

Blocks are watched by a `forward` of their own, set on the object. Gluon's hooks would not do: they miss the end of
a call that raises, and `hybridize` warns of them.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, SupportsIndex

import mxnet as mx
from mxnet import autograd, gluon
from mxnet.attribute import AttrScope

from thinned.errors import BindError
from thinned.kernels.execute import Coordinates
from thinned.mask.address import seed64, site_id
from thinned.methods.batch import Batch
from thinned.methods.site import use_name
from thinned.mxnet._blocks import forget_graphs, named_blocks, ours, site_layers
from thinned.mxnet._memory import integers

KEY = "thinned.address"
"""Where a file of parameters keeps (seed, step)."""


class _Call:
    """One call of the root: its step, how often each layer has drawn in it, and the graph being made, if any."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.uses: Counter[str] = Counter()
        self.traced: Counter[str] | None = None


class _Active(threading.local):
    """The root calls that this thread is in, the innermost last."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []


class Ticket(gluon.Parameter):  # type: ignore[misc]
    """The input of a graph that a layer's address comes in: seed, step, uses before the graph was called."""

    def __init__(self, binding: "Binding", name: str, place: int) -> None:
        super().__init__(f"thinned{place}_address", grad_req="null", shape=(3,), dtype="int64")
        self._of = binding, name

    def var(self) -> Any:
        """The symbol."""
        return mx.sym.var(self.name, shape=(3,), dtype="int64")

    def data(self, ctx: Any = None) -> Any:
        """A fresh array, for the call that the thread is in."""
        binding, name = self._of
        calls = binding.active.calls
        values = (calls[-1].step, calls[-1].uses[name]) if calls else (binding.step, 0)
        return integers((_signed(binding.seed), *values), ctx)

    def _finish_deferred_init(self) -> None:
        """Nothing is deferred."""

    def _reduce(self) -> Any:
        found = self.data()
        return found.as_np_ndarray() if mx.util.is_np_array() else found


class Saved(gluon.Parameter):  # type: ignore[misc]
    """Seed and step, as a file of parameters has them."""

    def __init__(self, binding: "Binding") -> None:
        super().__init__(KEY, grad_req="null", shape=(2,), dtype="int64")
        self._binding = binding

    def _reduce(self) -> Any:
        make = mx.np.array if mx.util.is_np_array() else mx.nd.array
        return make((_signed(self._binding.seed), self._binding.step), dtype="int64")

    def _load_init(self, data: Any, *_: Any, **__: Any) -> None:
        found = data.asnumpy()
        if found.dtype != "int64" or found.shape != (2,) or not 0 <= found[1] < 1 << 32:
            raise BindError(
                f"expected {KEY} in the file as int64 (seed, step), exact to the last bit; got {found.dtype} of "
                f"shape {found.shape}. Was it cast or averaged with the weights? Delete the key and bind anew."
            )
        self._binding.seed, self._binding.step = int(found[0]) % (1 << 64), int(found[1])


class Binding:
    """What a bound network knows: its seed, its step, its layers' names, and where it is in a call.

    Args:
        seed: the run.
        batch: `(axis, global_size, start)` of the local rows in the global batch, or None.
        layers: of ours, by the names of their sites.
    """

    def __init__(self, seed: SupportsIndex, batch: Batch | None, layers: dict[str, Any]) -> None:
        self.seed, self.step = seed64(seed), 0
        self.batch = batch
        self.layers = layers
        self.tickets = {name: Ticket(self, name, place) for place, name in enumerate(layers)}
        self.watched: list[gluon.Block] = []
        self._start()

    def _start(self) -> None:
        self.active = _Active()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in {"active", "_lock"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def watch(self, block: gluon.Block, watcher: Callable[..., Any]) -> None:
        """Have `watcher(block, forward, uses, *args)` called where `block.forward` would be.

        `uses` says how often the block's graph, once there is one, draws at each site.
        """
        block.__dict__["forward"] = partial(watcher, block, block.forward, Counter())
        self.watched.append(block)

    def watch_parts(self, root: gluon.Block) -> None:
        """Watch what holds layers of ours inside the root, and is not watched yet."""
        watched = {id(block) for block in self.watched}
        for _, block in named_blocks(root):
            if id(block) in watched or hasattr(type(block), "is_thinned"):
                continue
            if any(True for _ in ours(block)):
                self.watch(block, self.block_call)

    def unwatch(self) -> None:
        """Watch no block any more; other bindings go on."""
        for block in self.watched:
            others: list[Callable[..., Any]] = []
            forward = block.__dict__.pop("forward", None)
            while isinstance(forward, partial) and isinstance(_owner(forward), Binding):
                if _owner(forward) is not self:
                    others.append(forward.func)
                forward = forward.args[1]
            for watcher in reversed(others):
                block.__dict__["forward"] = partial(watcher, block, block.forward, Counter())
        self.watched.clear()

    def adopt(self, root: gluon.Block) -> None:
        """Bind the layers of ours that came to the root after it was bound.

        Raises:
            BindError: one of them has the site of another.
        """
        if all(layer._binding is not None for _, layer in ours(root)):
            return
        with self._lock:
            found = site_layers(root)
            here = {id(layer) for layer in found.values()}
            new = {name: layer for name, layer in found.items() if layer._binding is None}
            for name, layer in new.items():
                former = self.layers.get(name)
                if former is not None and id(former) in here:
                    raise BindError(
                        f"expected the layers of a bound network where they were; {name!r} is another one now, and "
                        "what had this name draws by it elsewhere. Bind again: thinned.mxnet.bind(net, seed)."
                    )
                if former is not None:
                    former.leave(self)
                self.layers[name] = layer
                self.tickets.setdefault(name, Ticket(self, name, len(self.tickets)))
                layer.join(self, name)
            self.watch_parts(root)
            forget_graphs(root)

    def root_call(
        self, block: gluon.Block, forward: Callable[..., Any], uses: "Counter[str]", *args: Any
    ) -> Any:
        """One call of the root: a step, if it trains."""
        if _is_symbolic(args):
            return forward(*args)
        if autograd.is_training():
            self.adopt(block)
        calls = self.active.calls
        calls.append(_Call(self._advance()))
        try:
            return self.block_call(block, forward, uses, *args)
        finally:
            calls.pop()

    def _advance(self) -> int:
        with self._lock:  # two threads that call one network have steps of their own
            step = self.step
            if autograd.is_training():
                if step >= (1 << 32) - 1:
                    raise BindError(f"expected at most 2^32 training steps; got {step + 1}. Bind anew.")
                self.step = step + 1
            return step

    def block_call(
        self, block: gluon.Block, forward: Callable[..., Any], uses: "Counter[str]", *args: Any
    ) -> Any:
        """One call of a block that holds layers of ours: as a graph, if it is hybridised."""
        calls = self.active.calls
        if (
            not getattr(block, "_active", False)
            or not calls
            or _is_symbolic(args)
            or hasattr(block, "is_thinned")
        ):
            return forward(*args)
        call, before = calls[-1], block._cached_op
        call.traced = Counter()
        try:
            found = forward(*args)
            if block._cached_op is not before:  # a graph was made, and layers told of their places in it
                uses.clear()
                uses.update(call.traced)
        finally:
            call.traced = None
        if autograd.is_training():  # a prediction draws nothing
            call.uses.update(uses)
        return found

    def use(self, name: str) -> Coordinates:
        """The address of a layer's next draw, outside graphs."""
        if not self.active.calls:
            raise BindError(_outside(name))
        call = self.active.calls[-1]
        count = call.uses[name]
        call.uses[name] += 1
        return self.seed, site_id(use_name(name, count)), call.step, 0

    def trace(self, name: str) -> int:
        """How many draws of a layer come before this one in the graph being made."""
        calls = self.active.calls
        if not calls:
            raise BindError(
                f"layer {name!r} is bound, and its address comes from a call of the bound network; it was called "
                "with a symbol outside one: by a larger hybridised block, by another network bound before it, "
                "or by hand. Bind the block that you call, or take the binding off: thinned.mxnet.unbind(net)."
            )
        traced = calls[-1].traced
        if traced is None:
            return 0  # Gluon infers shapes of a block that is not hybridised; this graph is never run
        if _is_in_control_flow():
            raise BindError(
                f"layer {name!r} is bound, and stands in a loop or branch of a graph (foreach, while_loop, cond): "
                "MXNet would give every iteration the same mask. Do not hybridise this block, unroll the loop in "
                "Python, or call thinned.mxnet.dropout there with a step that the loop counts."
            )
        traced[name] += 1
        return traced[name] - 1

    def is_traced(self, name: str) -> bool:
        """Whether the graph being made has this layer's ticket among its inputs."""
        calls = self.active.calls
        return bool(calls and calls[-1].traced and name in calls[-1].traced)

    def collect(self, original: Callable[..., dict[str, Any]], prefix: str = "") -> dict[str, Any]:
        """Gluon's parameters by name, with seed and step among them."""
        found = original(prefix)
        name = f"{prefix}.{KEY}" if prefix else KEY
        file = _file_being_read()
        if file is None or name in file:
            found[name] = Saved(self)
        return found


def _file_being_read() -> Any:
    """The names in the file that `load_parameters` is reading, or None.

    Gluon asks a block for its parameters without saying why, and would not read a file that has no seed and step.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is gluon.Block.load_parameters.__code__:
            return frame.f_locals.get("loaded")
        frame = frame.f_back
    return None


def _is_in_control_flow() -> bool:
    """Whether the symbols being made are those of a loop's body or of a branch."""
    scope = getattr(AttrScope._current, "value", None)
    return bool(scope is not None and scope._attr.get("__subgraph_name__"))


def _owner(watcher: "partial[Any]") -> Any:
    return getattr(watcher.func, "__self__", None)


def _is_symbolic(args: Any) -> bool:
    if isinstance(args, (list, tuple)):
        return any(_is_symbolic(each) for each in args)
    return isinstance(args, mx.sym.Symbol)


def _signed(seed: int) -> int:
    return seed - (1 << 64) if seed >= 1 << 63 else seed


def _outside(name: str) -> str:
    return (
        f"layer {name!r} is bound, and its address comes from a call of the bound network; it was called outside "
        "one, or by another network bound before it. Call the bound network, or bind "
        "the part that you call: thinned.mxnet.bind(part, seed)."
    )
