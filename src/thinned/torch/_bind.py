"""Bound models: every draw of every layer has an address, and the model's step is saved with it."""

import threading
import warnings
import weakref
from collections.abc import Hashable, Iterator
from functools import partial
from typing import Any, SupportsIndex, TypeVar, cast

import torch
from torch import Tensor, nn
from torch._dynamo.eval_frame import skip_code

from thinned.errors import BindError
from thinned.mask.address import site_id
from thinned.mask.sharing import Window
from thinned.methods.site import check_names, use_name
from thinned.torch._recompute import Draw, History, recomputing_node
from thinned.torch._ticket import signed

Model = TypeVar("Model", bound=nn.Module)
Batch = tuple[int, int, int]

KEY = "thinned.address"
"""Where a state dict keeps (seed, step)."""

_WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_DATA_PARALLEL = (nn.parallel.DistributedDataParallel, nn.DataParallel)
_ROOT = ("root",)
_bindings: "weakref.WeakValueDictionary[int, Binding]" = weakref.WeakValueDictionary()


class _Call:
    """One call of the root: its step, and how often each layer has drawn in it."""

    __slots__ = ("node", "step", "uses")

    def __init__(self, step: int, node: int | None) -> None:
        self.step = step
        self.node = node
        self.uses: dict[str, int] = {}


class _Active(threading.local):
    """The root calls that this thread is in, the innermost last."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.traced: _Call | None = None


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

    def _start(self, seed: int, step: int) -> None:
        # Seed and step are no buffers: averaging weights must not average steps, no broadcast may touch them.
        self.signed_seed, self.step = seed, step
        self.names = list(self.layers)
        # What a compiled graph holds of this object: see `_traced.py`.
        self.identity = id(self)
        self.anchor = torch.tensor(self.identity, device="cpu")
        self.active = _Active()
        self.history = History()
        self._sites: dict[tuple[str, int], int] = {}
        _bindings[id(self)] = self

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

            if not (module.training or any(layer.training for layer in self.layers.values())):
                return None  # an evaluation leaves nothing in a graph
            return _traced.begin(self, module.training, args, kwargs)
        if getattr(module, "_is_replica", False):
            raise BindError(
                "expected one process for each replica of a bound model; got nn.DataParallel, whose replicas "
                "cannot know their rows of the batch. Use DistributedDataParallel."
            )
        self._begin_eager(module.training)
        return None

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _begin_eager(self, training: bool) -> None:
        self.active.calls.append(_Call(self.advance(training, _ROOT), recomputing_node()))

    def begin_traced(self, training: bool, ordinal: int) -> int:
        """The same, asked for by a compiled graph, whose root call has no end that one could see."""
        self.active.traced = _Call(self.advance(training, (*_ROOT, ordinal)), recomputing_node())
        return self.active.traced.step

    def advance(self, training: bool, who: tuple[object, ...]) -> int:
        """The step of a root call that begins now: that of the call it repeats, if it repeats one."""
        node = recomputing_node()
        draw = None if node is None else self.history.recall(who, node)
        if draw is None:
            draw = Draw(0, self.step)
            if training:
                self.step = _next(self.step)
        self.history.begin(draw)
        self.history.note(who, draw)
        return draw.step

    def end(self, *_: Any) -> None:
        """After the root's forward, or its exception."""
        if not torch.compiler.is_compiling() and self.active.calls:
            self.active.calls.pop()

    def use(
        self, name: str, ordinal: int | None = None, *, whole: bool = False, who: Hashable | None = None
    ) -> Draw:
        """The address of a layer's next draw.

        Args:
            name: of the layer.
            ordinal: the draw's place in a compiled graph that asks.
            whole: that graph holds the root call too.
            who: whose draws a recomputation repeats in their order; the layer's, by default.
        """
        if who is None:
            who = name if ordinal is None else (name, ordinal)
        node = recomputing_node()
        calls = self.active.calls
        call = self.active.traced if whole else calls[-1] if calls else None
        draw = None
        if node is not None and (whole or call is None or call.node != node):
            draw = self.history.recall(who, node)
        if draw is None:
            if call is None:
                raise BindError(self._why_unknown(name, node))
            count = call.uses.get(name, 0)
            call.uses[name] = count + 1
            draw = Draw(self.site(name, count), call.step)
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
            axis, size, start = self.batch
            if not -x.dim() <= axis < x.dim():
                raise BindError(
                    f"expected activations with a batch axis {axis}, as bind(batch={self.batch}) says; got "
                    f"shape {tuple(x.shape)}."
                )
        else:
            world = _world()
            if world is None or not x.dim():
                return None
            count, rank = world
            axis, size, start = 0, x.shape[0] * count, x.shape[0] * rank
        sizes, index = list(x.shape), [0] * x.dim()
        sizes[axis], index[axis] = size, start
        return tuple(sizes), tuple(index)

    def save(self, _: nn.Module, state_dict: dict[str, Any], prefix: str, *__: Any) -> None:
        """Add seed and step to a state dict."""
        state_dict[prefix + KEY] = torch.tensor([self.signed_seed, self.step], device="cpu")

    def load(self, _: nn.Module, state_dict: dict[str, Any], prefix: str, *__: Any) -> None:
        """Take seed and step from a state dict, if it was made by a bound model."""
        saved = state_dict.pop(prefix + KEY, None)
        if saved is None:
            return
        address = torch.as_tensor(saved)
        if address.dtype != torch.int64 or address.shape != (2,) or not 0 <= int(address[1]) < 1 << 32:
            raise BindError(
                f"expected {prefix + KEY} in the state dict as int64 (seed, step), exact to the last bit; got "
                f"{address.dtype} of shape {tuple(address.shape)}. Was it cast or averaged with the weights? "
                "Leave it out of that, or delete the key and bind the model again."
            )
        self.signed_seed, self.step = address.tolist()

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


def bind(model: Model, seed: SupportsIndex, batch: Batch | None = None) -> Model:
    """Give every draw of a model an address: its masks become a function of (seed, layer's name, step).

    In place. The step counts training calls of `model`, from 0, and is part of its state dict, beside the
    seed. An evaluation call leaves it, so layers that are kept in training mode inside a model in evaluation
    repeat one mask. Activation checkpointing, eager and compiled, repeats the draws of the call it belongs
    to. Layers that are not from `thinned.torch` are left alone: see `convert`.

    Args:
        model: any module; wrappers such as DDP and `torch.compile`'s are seen through. A bound model inside
            it is unbound, and binding again replaces.
        seed: the run, in [-2^63, 2^64).
        batch: `(axis, global_size, start)`: where the local rows lie in the global batch. By default, under
            torch.distributed, ranks hold contiguous equal shards of axis 0.

    Returns:
        `model`.

    Raises:
        AddressError: a seed outside its width.
        BindError: a `batch` that is not three integers.

    Example:
        >>> import torch, thinned.torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), thinned.torch.Dropout(0.5))
        >>> _ = thinned.torch.bind(model, seed=0)
        >>> first = (model(torch.ones(1, 4)) != 0)[0]
        >>> import thinned
        >>> first.tolist() == thinned.mask.keep((1, 8), 0.5, seed=0, site="1", step=0)[0].tolist()
        True
    """
    strangers = attach(model, seed, batch)
    if strangers:
        warnings.warn(
            f"{', '.join(map(repr, strangers))}: PyTorch's own dropout, whose masks this seed does not govern; "
            "use thinned.torch.convert(model, seed=...) to replace it.",
            stacklevel=2,
        )
    return model


def attach(model: nn.Module, seed: SupportsIndex, batch: Batch | None = None) -> list[str]:
    """`bind`, which returns the names of PyTorch's own layers and does not warn of them."""
    if batch is not None and not (
        isinstance(batch, (tuple, list))
        and len(batch) == 3
        and all(isinstance(value, int) for value in batch)
    ):
        raise BindError(f"expected batch=(axis, global_size, start), three integers; got {batch!r}.")
    root = unwrapped(model)
    layers = site_layers(root)
    strangers = [
        name
        for name, module in named_modules(root)
        if isinstance(module, nn.modules.dropout._DropoutNd)
        and not hasattr(type(module), "is_thinned")
        and module.p > 0
    ]
    for module in root.modules():
        unbind(module)
    binding = Binding(seed, batch, layers)
    for place, (name, module) in enumerate(layers.items()):
        module.join(binding, name, place)
    binding.handles = [
        root.register_forward_pre_hook(binding.begin, prepend=True, with_kwargs=True),
        root.register_forward_hook(binding.end, always_call=True),
        # A partial, because PyTorch sets an attribute on this hook.
        root.register_state_dict_post_hook(partial(Binding.save, binding)),
        root.register_load_state_dict_pre_hook(binding.load),
    ]
    root._thinned = binding  # type: ignore[assignment]
    return strangers


def site_layers(root: nn.Module) -> dict[str, Any]:
    """The layers of ours in a model, by the names of their sites.

    Raises:
        BindError: two of them would draw alike.
    """
    found: list[tuple[str, Any]] = [
        (cast(Any, module).site or name, module)
        for name, module in named_modules(root)
        if hasattr(type(module), "is_thinned")
    ]
    check_names(name for name, _ in found)
    return dict(found)


def unbind(model: nn.Module) -> None:
    """Take a binding off: its layers are free again. Nothing happens to a model that is not bound."""
    root = unwrapped(model)
    binding = root.__dict__.pop("_thinned", None)
    if binding is not None:
        for handle in binding.handles:
            handle.remove()
        for layer in binding.layers.values():
            layer.leave(binding)


def binding_of(model: nn.Module) -> Binding | None:
    """The binding of a bound model, else None."""
    found: Binding | None = unwrapped(model).__dict__.get("_thinned")
    return found


def binding_at(identity: int) -> Binding | None:
    """The binding with this identity, if it lives in this process."""
    return _bindings.get(identity)


def named_modules(root: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module once, with its path but for the parts that wrappers put in it."""
    for path, module in root.named_modules():
        parts, owner, kept = path.split(".") if path else [], root, []
        for part in parts:
            if not _is_wrapped(owner, part):
                kept.append(part)
            owner = owner.get_submodule(part)
        yield ".".join(kept), module


def _is_wrapped(owner: nn.Module, part: str) -> bool:
    """`module` is also what people call parts of their own, beside which a wrapper has nothing."""
    return part in _WRAPPERS and (part != "module" or isinstance(owner, _DATA_PARALLEL))


def unwrapped(model: nn.Module) -> nn.Module:
    """A model without DDP's and `torch.compile`'s wrappers."""
    while isinstance(model, (nn.parallel.DistributedDataParallel, torch._dynamo.OptimizedModule)):
        inner = model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model._orig_mod
        model = inner
    return model


def _world() -> tuple[int, int] | None:
    """How many ranks there are and which this is; None for a process on its own."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return None
    size = torch.distributed.get_world_size()
    return (size, torch.distributed.get_rank()) if size > 1 else None


# Where `torch.compile` takes a module's hooks for frames of their own, these run as they are; inlined in a
# larger graph they are traced. (Without this the root call would be compiled apart from its layers.)
for _hook in (Binding.begin, Binding.end):
    skip_code(_hook.__code__)


def _next(step: int) -> int:
    if step >= (1 << 32) - 1:
        raise BindError(f"expected at most 2^32 training steps; the model has made {step + 1}. Bind it anew.")
    return step + 1
