"""What a bound model knows, and how it gives every draw an address."""

import sys
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, NamedTuple, SupportsIndex

import torch
from torch import Tensor, nn
from torch._dynamo.eval_frame import skip_code

from thinned.errors import BindError
from thinned.mask.address import site_id
from thinned.mask.sharing import Window
from thinned.methods.batch import Batch, batch_window
from thinned.methods.site import part_name, use_name
from thinned.torch._ranks import Ranks, world
from thinned.torch._recompute import Draw, History, recomputing_node
from thinned.torch._ticket import signed

KEY = "thinned.address"
"""Where a state dict keeps (seed, step)."""

_ROOT = ("root",)
_bindings: "weakref.WeakValueDictionary[int, Binding]" = weakref.WeakValueDictionary()


class Again(NamedTuple):
    """What `draws` asks of the calls within it: a draw, at a step; -1 means one that `resolved` finds."""

    draw: int
    step: int = -1


class _Call:
    """One call of the root: its step, how often each layer has drawn in it, and who made it.

    Args:
        at: the step and the draw of all its draws.
        node: the node of the backward pass that repeats it, if one does.
        frame: the identity of the frame that the call runs in.
        took: whether the model's step has moved on for it.
    """

    __slots__ = ("draw", "frame", "node", "rows", "step", "took", "uses")

    def __init__(self, at: Draw, node: int | None, frame: int = 0, took: bool = True) -> None:
        self.took = took
        self.step, self.draw = at.step, at.draw
        self.node = node
        self.frame = frame
        self.uses: dict[str, int] = {}
        self.rows: list[int] = []


class _Run:
    """One run of a compiled graph that holds root calls, which come in any order.

    Args:
        trace: the number of the graph.
        before: the step of the last training call before it.
    """

    __slots__ = ("before", "calls", "steps", "trace")

    def __init__(self, trace: int, before: int) -> None:
        self.trace, self.before = trace, before
        self.steps: list[int] = []
        self.calls: dict[int, _Call] = {}


class _Active(threading.local):
    """The root calls and the `draws` that this thread is in, the innermost last."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.again: list[Again] = []
        self.traced: _Call | None = None
        self.run: _Run | None = None


class _Last(threading.local):
    """The step of this thread's last training call."""

    step: int | None = None


class Binding:
    """What a bound model knows: its seed, its step, its layers' names, and where it is in a call.

    Args:
        seed: the run.
        batch: `(axis, global_size, start)` of the local rows in the global batch, or None.
    """

    def __init__(self, seed: SupportsIndex, batch: Batch | None, layers: dict[str, nn.Module]) -> None:
        self.batch = batch
        self.layers = layers
        self.handles: list[Any] = []
        self._start(signed(seed), 0)

    @property
    def address(self) -> Tensor:
        """Seed and step, as a state dict has them; `get_model_state_dict` looks here for its key."""
        return torch.tensor([self.signed_seed, self.step], device="cpu")

    def _start(self, seed: int, step: int) -> None:
        # Seed and step are no buffers: averaging weights must not average steps, no broadcast may touch them.
        self.signed_seed, self.step = seed, step
        self.names = list(site_names(self.layers.items()))
        # What a compiled graph holds of this object: see `_traced.py`.
        self.identity = id(self)
        self.anchor = torch.tensor(self.identity, device="cpu")
        self.active = _Active()
        self.last = _Last()
        # What a `draws` inside the function that is being compiled asks for; None at any other time.
        self.traced_again: Again | None = None
        self.history = History()
        self._sites: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()
        self._ranks = self._meeting()
        _bindings[id(self)] = self

    def _meeting(self) -> Ranks:
        return Ranks(f"{self.signed_seed}-{site_id(' '.join(self.names))}")

    def __getstate__(self) -> dict[str, Any]:
        kept = ("batch", "layers", "handles", "signed_seed", "step")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.batch, self.layers, self.handles = state["batch"], state["layers"], state["handles"]
        self._start(state["signed_seed"], state["step"])

    @property
    def seed(self) -> int:
        """The run, as the law has it."""
        return self.signed_seed % (1 << 64)

    def begin(self, module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        """Before the root's forward: this call's address is made."""
        if torch.compiler.is_compiling():
            from thinned.torch import _traced

            if not self._draws(module):
                return None  # an evaluation leaves nothing in a graph
            return _traced.begin(self, args, kwargs)
        if getattr(module, "_is_replica", False):
            raise BindError(
                "expected one process for each replica of a bound model; got nn.DataParallel, whose replicas "
                "cannot know their rows of the batch. Use DistributedDataParallel."
            )
        self._begin_eager(self._draws(module), id(sys._getframe(1)))
        return None

    def _draws(self, root: nn.Module) -> bool:
        """Whether a call is a training call: the root trains, or a layer of ours in it does."""
        return root.training or any(layer.training for layer in self.layers.values())

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _begin_eager(self, training: bool, frame: int) -> None:
        calls = self.active.calls
        if calls:
            # PyTorch's hooks miss the end of a call that Ctrl-C ended. Such a call's frame is gone, and this one
            # may have taken its place in memory.
            running = _running() - {frame}
            calls[:] = [call for call in calls if call.frame in running]
        outer = self.active.again[-1] if self.active.again else None

        def fresh() -> Draw:
            if outer is not None:
                return Draw(0, outer.step, outer.draw)
            return Draw(0, self._take() if training else self.step)

        took = training or outer is not None
        calls.append(_Call(self._advance(_ROOT, fresh), recomputing_node(), frame, took))

    def begin_traced(self, trace: int, ordinal: int, steps: int, again: Again | None) -> int:
        """The same, asked for by a compiled graph, whose root call has no end that one could see.

        Args:
            trace: the number of the graph.
            ordinal: of the call in it.
            steps: how many the graph has taken by then, this call's among them.
            again: the `draws` around the call, in the graph.
        """
        active, run = self.active, self.active.run
        if run is None or run.trace != trace or ordinal in run.calls:
            run = active.run = _Run(trace, self.resolved(Again(0)).step)
        outer = active.again[-1] if active.again else None

        def fresh() -> Draw:
            if again is None and outer is not None:
                return Draw(0, outer.step, outer.draw)
            draw = 0 if again is None else again.draw
            if again is not None and again.step >= 0:
                return Draw(0, again.step, draw)
            if outer is not None:
                return Draw(0, outer.step, draw)
            while len(run.steps) < steps:  # those of earlier calls too, which may come later
                run.steps.append(self._take())
            return Draw(0, run.steps[steps - 1] if steps else run.before, draw)

        call = _Call(self._advance((*_ROOT, ordinal), fresh), recomputing_node())
        run.calls[ordinal] = active.traced = call
        return call.step

    def _advance(self, who: tuple[object, ...], fresh: Callable[[], Draw]) -> Draw:
        """The step and draw of a root call that begins now: those of the call it repeats, if it repeats one."""
        node = recomputing_node()
        draw = None if node is None else self.history.recall(who, node)
        draw = fresh() if draw is None else draw
        self.history.begin(draw)
        self.history.note(who, draw)
        return draw

    def _take(self) -> int:
        """A step, and the model's moves on."""
        with self._lock:  # two threads that call one model have steps of their own
            step, self.step = self.step, _next(self.step)
        self.last.step = step
        return step

    def resolved(self, again: Again) -> Again:
        """With a step: its own, that of the `draws` around it, or of this thread's or the model's last call."""
        if again.step >= 0:
            return again
        if self.active.again:
            return Again(again.draw, self.active.again[-1].step)
        return Again(again.draw, max(self.step - 1, 0) if self.last.step is None else self.last.step)

    def end(self, *_: Any) -> None:
        """After the root's forward, or its exception."""
        if not torch.compiler.is_compiling() and self.active.calls:
            self.active.calls.pop()

    def use(
        self, name: str, ordinal: int | None = None, *, traced: int = -1, who: Hashable | None = None
    ) -> Draw:
        """The address of a layer's next draw.

        Args:
            name: of the layer.
            ordinal: the draw's place in a compiled graph that asks.
            traced: the ordinal of the root call in that graph, where it holds one.
            who: whose draws a recomputation repeats in their order; the layer's, by default.
        """
        if who is None:
            who = name if ordinal is None else (name, ordinal)
        node = recomputing_node()
        calls = self.active.calls
        whole = traced >= 0
        if whole and self.active.run is not None:
            self.active.traced = self.active.run.calls.get(traced, self.active.traced)
        call = self.active.traced if whole else calls[-1] if calls else None
        draw = None
        if node is not None and (whole or call is None or call.node != node):
            draw = self.history.recall(who, node)
        if draw is None:
            if call is None:
                raise BindError(self._why_unknown(name, node))
            count = call.uses.get(name, 0)
            call.uses[name] = count + 1
            draw = Draw(self.site(name, count), call.step, call.draw)
            if not call.took and call.node is None:  # what draws is no layer of ours: see `patched`
                call.took = True
                with self._lock:
                    self.step = _next(self.step)
                self.last.step = call.step
        self.history.note(who, draw)
        return draw

    def site(self, name: str, count: int) -> int:
        """The site of the `count`-th use of a layer in one root call."""
        key = name, count
        if key not in self._sites:
            self._sites[key] = site_id(use_name(name, count))
        return self._sites[key]

    def window(self, x: Tensor) -> Window | None:
        """Where the local rows of `x` lie in the global batch."""
        if self.batch is not None:
            return batch_window(x.shape, self.batch)
        found = world()
        if found is None or not x.dim():
            return None
        count, rank = found
        if not torch.compiler.is_compiling():
            self.meet(x)
        return batch_window(x.shape, (0, x.shape[0] * count, x.shape[0] * rank))

    def meet(self, x: Tensor) -> None:
        """Compare the local rows with those of other ranks, once for each size that a root call meets."""
        rows = x.shape[0] if x.dim() else None
        if (
            self.batch is not None
            or type(rows) is not int
            or recomputing_node() is not None
            or world() is None
        ):
            return
        call = self.active.calls[-1] if self.active.calls else self.active.traced
        if call is not None and rows not in call.rows:
            call.rows.append(rows)
            self._ranks.compare(call.step, rows, len(call.rows) - 1, call.draw)

    def save(self, _: nn.Module, state_dict: dict[str, Any], prefix: str, *__: Any) -> None:
        """Add seed and step to a state dict."""
        state_dict[prefix + KEY] = self.address

    def load(self, _: nn.Module, state_dict: dict[str, Any], prefix: str, *__: Any) -> None:
        """Take seed and step from a state dict, if it was made by a bound model."""
        saved = state_dict.pop(prefix + KEY, None)
        if saved is None:
            return
        try:
            address = torch.as_tensor(saved)
        except (TypeError, ValueError, RuntimeError):
            address = torch.empty(0)
        if address.dtype != torch.int64 or address.shape != (2,) or not 0 <= int(address[1]) < 1 << 32:
            raise BindError(
                f"expected {prefix + KEY} in the state dict as int64 (seed, step), exact to the last bit; got "
                f"{address.dtype} of shape {tuple(address.shape)}. Was it cast or averaged with the weights? "
                "Leave it out of that, or delete the key and bind the model again."
            )
        self.signed_seed, self.step = address.tolist()
        self.last = _Last()
        self._ranks = self._meeting()  # steps that were compared before may come again

    def _why_unknown(self, name: str, node: int | None) -> str:
        if node is not None:
            return (
                f"layer {name!r} is drawn again in a backward pass, by an activation checkpoint that does not "
                "say which of its draws is meant: the layer is used more than once in a call of the bound model, "
                "or the checkpoint is nested. Use a layer of its own in each place, or checkpoint the whole model."
            )
        return (
            f"layer {name!r} is bound, and its address comes from a call of the bound model; it was called "
            "outside one. Call the bound model, or bind the part that you call: thinned.torch.bind(part, seed)."
        )


def site_names(layers: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """The names of all sites of some layers: a layer with several draws has one for each part."""
    return (part_name(name, part) for name, layer in layers for part in layer.parts)


def binding_at(identity: int) -> Binding | None:
    """The binding with this identity, if it lives in this process."""
    return _bindings.get(identity)


def _running() -> set[int]:
    """The identities of the frames that this thread is in."""
    found: set[int] = set()
    frame: Any = sys._getframe(1)
    while frame is not None:
        found.add(id(frame))
        frame = frame.f_back
    return found


# Where `torch.compile` takes a module's hooks for frames of their own, these run as they are; inlined in a
# larger graph they are traced. (Without this the root call would be compiled apart from its layers.)
for _hook in (Binding.begin, Binding.end):
    skip_code(_hook.__code__)


def _next(step: int) -> int:
    if step >= (1 << 32) - 1:
        raise BindError(f"expected at most 2^32 training steps; the model has made {step + 1}. Bind it anew.")
    return step + 1
