"""Follows one run of a PyTorch model: each operation, what it came from, and where draws met data.

Two modes of PyTorch do it. The dispatch mode sees each operator below autograd, in the forward and in the backward
pass, with the tensors themselves: so the origin of a tensor is known, and a mask is told from data by its having
come from draws and constants alone, whoever wrote the dropout. The function mode sees functionals before they are
taken apart: so the rate and the mode that they were given are known.
"""

from collections.abc import Callable
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from thinned.diagnosis import operators
from thinned.diagnosis.finding import Place
from thinned.diagnosis.frames import callers, made
from thinned.diagnosis.graph import Call, Drop, Function, Kind, Node, Noise, Pass, ancestors
from thinned.diagnosis.noise import measure, neighbours
from thinned.diagnosis.omitted import left_out
from thinned.diagnosis.rates import stated_rate


class Recorder(TorchDispatchMode):
    """Records passes of one model, one after the other; what is known of a tensor outlives the pass.

    Args:
        root: the model.
        stop: the code of the function that runs it, beyond which no caller is the model's.
    """

    def __init__(self, root: nn.Module, stop: CodeType) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names = {id(module): name for name, module in root.named_modules()}
        self.current = Pass("", training=False)
        self.call: Call | None = None
        self.function: Function | None = None
        self.neutral = False
        self.foreign: Callable[[], str] = str
        self.stop = stop
        self.order = 0
        self._known: Any = WeakTensorKeyDictionary()
        self._written: dict[int, Node] = {}
        for parameter in root.parameters():
            self.source(parameter, "parameter", 1 if parameter.numel() > 1 else 0)
        for buffer in root.buffers():
            self.source(buffer, "buffer", 1 if buffer.numel() > 1 else 0)

    def source(self, tensor: Tensor, op: str, data: int) -> Node:
        """Say where a tensor comes from that no operation made."""
        node = Node(op, (), None, data, random=False, shape=tuple(tensor.shape), order=self.order)
        self._known[tensor] = node
        return node

    def node(self, tensor: Tensor) -> Node:
        """What made a tensor, or last wrote to its memory."""
        found: Node | None = self._known.get(tensor)
        if found is None:
            return self._stranger(tensor)
        written = self._written.get(_memory(tensor))
        return written if written is not None and written.order > found.order else found

    def _stranger(self, tensor: Tensor) -> Node:
        """A tensor that no operation made: a constant, or numbers of a generator that PyTorch does not know."""
        drew = self.foreign() if tensor.numel() > 1 else ""
        node = self.source(tensor, drew or "constant", 0)
        if drew:
            node.random = node.draw = True
            node.call, node.place = self.call, self._place()
            self.current.draws.append(node)
        return node

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operator and note it."""
        kwargs = kwargs or {}
        name = operators.base(func)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        parents = tuple(dict.fromkeys(map(self.node, tensors)))
        draws = operators.draws(func, args, kwargs)
        node = self._made(name, parents, draws)
        self._normalises(node, name, args)
        met = self._meeting(func, name, args, kwargs, node)
        if met is None:
            self._fixed(name, args, node)
        result = met[0] if met is not None and met[0] is not None else func(*args, **kwargs)
        self._keep(node, func, args, kwargs, result)
        if met is not None:
            met[1]()
        return result

    def _made(self, name: str, parents: tuple[Node, ...], draws: bool) -> Node:
        self.order += 1
        node = Node(name, parents, self.call, 0, random=draws, order=self.order, draw=draws)
        node.backward = torch._C._current_autograd_node() is not None
        mixes = name in {"native_dropout", "rrelu_with_noise"} or name.startswith(
            ("_scaled_dot", "thin", "law")
        )
        if draws and not mixes:
            node.place = self._place()
            self.current.draws.append(node)
        elif not name.startswith(("empty", "new_", "zeros", "ones", "full", "rand")) or mixes:
            node.data = max((parent.data for parent in parents), default=0)
            node.random = draws or any(parent.random for parent in parents)
            if draws:
                node.place = self._place()
                self.current.draws.append(node)
        for parent in parents:
            parent.children.append(node)
        return node

    def _keep(self, node: Node, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        if made:
            node.shape = tuple(made[0].shape)
        for tensor in made:
            self._known[tensor] = node
        if func._schema.is_mutable and args and isinstance(args[0], Tensor):
            self._known[args[0]] = node
            self._written[_memory(args[0])] = node
        if node.op in {"mul", "div"} and len(args) == 2 and len(node.parents) <= 2:
            node.number = _number(node.op, args)

    def _normalises(self, node: Node, name: str, args: Any) -> None:
        """The variance of each channel that a batch normalisation reads."""
        if "batch_norm" not in name or "backward" in name or node.backward or not self.current.training:
            return
        if not node.random:
            self.current.norms.append((node, None))
            return
        x = args[0].detach().float()
        axes = [axis for axis in range(x.dim()) if axis != 1]
        self.current.norms.append((node, x.var(dim=axes, correction=0).cpu()))

    def _place(self) -> Place:
        name, kind = ("", "") if self.call is None else (self.call.name, self.call.kind)
        stack = callers(self.stop)
        if not stack:
            file, line = (None, None) if self.call is None else made.get(self.call.module, (None, None))
            return Place(name, kind, file, line)
        file, line, function = stack[0]
        outer = [each for each in stack[1:2] if each[0] == file and function not in {"forward", "__call__"}]
        return Place(name, kind, file, line, outer[0][1] if outer else None)

    def _meeting(
        self, func: Any, name: str, args: tuple[Any, ...], kwargs: Any, node: Node
    ) -> tuple[Any, Callable[[], None]] | None:
        """Where draws meet data here: what takes the place of the result, if anything, and how to note it."""
        if node.draw and node.data:
            return self._opaque(func, name, args, kwargs, node)
        if not (node.random and any(parent.noise for parent in node.parents)):
            return None
        found = operators.meeting(name, args, self._is_noise, self._is_learned)
        if found is None:
            return None
        kind, numbers, place = found
        if self._data(args[place]) == 0:
            return None
        x = args[place]
        return self._note(kind, numbers, x, node, args[0] if func._schema.is_mutable else None)

    def _fixed(self, name: str, args: tuple[Any, ...], node: Node) -> None:
        """Note data that meets zeros and one other value that nothing drew: a kept mask, or hidden draws."""
        if node.backward or node.data != 2 or name not in {"mul", "div", "where", "masked_fill"}:
            return
        found = operators.meeting(name, args, self._is_constant, self._is_learned)
        if found is None or found[0] != "mask" or found[1] is None or self._data(args[found[2]]) != 2:
            return
        x, numbers = args[found[2]], found[1]
        share = float((numbers != 0).float().mean())
        if not 0 < share < 1:
            return
        noise = measure(numbers, _shape(x, numbers), independent=True)
        if noise.scale is not None:
            drop = Drop(
                "mask", node, self.node(x), (), self.call, None, noise, tuple(x.shape), self._place(), None
            )
            drop.stack = callers(self.stop)
            self.current.fixed.append(drop)

    def _is_constant(self, value: Any) -> bool:
        if not isinstance(value, Tensor) or value.numel() < 2:
            return False
        node = self.node(value)
        return node.data < 2 and not node.random and not self._is_learned(value)

    def _is_learned(self, value: Any) -> bool:
        if not isinstance(value, Tensor) or self.node(value).data != 1:
            return False
        return any(each.op == "parameter" for each in ancestors([self.node(value)]))

    def _is_noise(self, value: Any) -> bool:
        return isinstance(value, Tensor) and self.node(value).noise

    def _data(self, value: Any) -> int:
        return self.node(value).data if isinstance(value, Tensor) else 0

    def _opaque(
        self, func: Any, name: str, args: Any, kwargs: Any, node: Node
    ) -> tuple[Any, Callable[[], None]] | None:
        """An operator that draws and drops in one: what it does to ones tells its numbers."""
        x = next((leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)), None)
        if x is None:
            return None
        if name == "native_dropout":
            result = func(*args, **kwargs)
            numbers = result[1] / (1 - args[1]) if args[1] < 1 else result[1]
            replaced = (x.clone(), torch.ones_like(result[1])) if self.neutral else result
            return replaced, self._note("mask", numbers, x, node, None)[1]
        if name == "thin" or (name == "law" and args[-1] in {"gaussian", "uniform"}):
            numbers = func(torch.ones_like(x), *args[1:], **kwargs)
            return self._note("mask", numbers, x, node, None)
        return self._note("opaque", None, x, node, None)

    def _note(
        self, kind: Kind, numbers: Tensor | None, x: Tensor, node: Node, written: Tensor | None
    ) -> tuple[Any, Callable[[], None]]:
        origin = self.node(x)
        call, function = self.call, self.function
        alpha = function is not None and "alpha" in function.name
        noise = None
        if not x.is_floating_point() and kind == "mask":
            kind = "replaced"  # whole numbers are tokens or indices: 0 is another of them, and scales nothing
        draws = tuple(each for each in _noise_of(node) if each.draw) or (node,)
        if numbers is not None and kind in {"mask", "replaced"}:
            noise = measure(numbers, _shape(x, numbers), independent=_independent(node, draws))
            kind = _kind(kind, noise, node, alpha=alpha)
        # Alpha dropout's shift is added: a part of it, and no site of its own.
        neutral = self.neutral and (kind in {"mask", "noise", "alpha"} or alpha)
        replacement = _plain(noise, x, numbers, written) if neutral else None
        stated = function.p if function is not None else stated_rate(call.module) if call else None
        drop = Drop(kind, node, origin, draws, call, function, noise, tuple(x.shape), self._place(), stated)
        drop.backward, drop.stack = node.backward, callers(self.stop)
        if drop.elementwise and not node.backward:
            drop.correlation = neighbours(x)

        def noted() -> None:
            node.drop = drop
            self.current.drops.append(drop)

        return replacement, noted


def _plain(noise: Noise | None, x: Tensor, numbers: Tensor | None, written: Tensor | None) -> Tensor:
    """Data as it would be on average, without noise, in the shape and place of what has it."""
    plain = x * (noise.keep if noise is not None and noise.scale == 1.0 else 1.0)
    if numbers is not None:
        plain = plain.expand(_shape(x, numbers)).clone()
    return plain if written is None else written.copy_(plain)


class Functions(TorchFunctionMode):
    """Notes the rates and modes that functionals are given."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function; a functional that states a rate is known to what it runs."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name not in operators.FUNCTIONALS:
            return func(*args, **kwargs)
        recorder = self._recorder
        p, training = operators.stated(name, args, kwargs)
        x = args[0] if args else kwargs.get("input", kwargs.get("query"))
        shape = tuple(x.shape) if isinstance(x, Tensor) else ()
        outer = recorder.function
        parameter = operators.RATE_OF.get(name)
        default = (
            parameter is not None and p == parameter.default and left_out(func, *parameter[:2], recorder.stop)
        )
        recorder.function = Function(name, p, training, recorder.call, recorder._place(), shape, default)
        recorder.current.functions.append(recorder.function)
        try:
            return func(*args, **kwargs)
        finally:
            recorder.function = outer


def _memory(tensor: Tensor) -> int:
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # sparse and other tensors that have none
        return -id(tensor)


def _number(op: str, args: Any) -> float | None:
    value = args[1]
    if isinstance(value, Tensor):
        if value.dim() or value.is_complex():
            return None
        value = float(value.detach())
    if not isinstance(value, (int, float)) or (op == "div" and value == 0):
        return None
    return float(value) if op == "mul" else 1 / float(value)


def _noise_of(node: Node) -> list[Node]:
    """Draws, and all that was made of them alone, on the way to this operation."""
    seen: dict[Node, None] = {}
    stack = [parent for parent in node.parents if parent.noise]
    while stack:
        each = stack.pop()
        if each not in seen:
            seen[each] = None
            stack.extend(parent for parent in each.parents if parent.random)
    return list(seen)


def _independent(node: Node, draws: tuple[Node, ...]) -> bool:
    """Whether each number is one draw's: nothing on the way mixes several."""
    return all(each.draw or each.op in operators.ELEMENTWISE for each in _noise_of(node))


def _shape(x: Tensor, numbers: Tensor) -> tuple[int, ...]:
    return tuple(torch.broadcast_shapes(x.shape, numbers.shape))


_DECIDES = {"bernoulli", "lt", "gt", "le", "ge", "floor", "round", "ne", "eq", "thin", "native_dropout"}


def _kind(kind: Kind, noise: Noise, node: Node, *, alpha: bool) -> Kind:
    """A mask is zeros and one other value; where chance left no zeros, what it was made of tells."""
    if kind == "replaced":
        return "replaced"
    if alpha:
        return "alpha"
    if noise.scale is None and noise.kept:
        return "noise"
    if noise.kept == noise.count and not any(each.op in _DECIDES for each in (node, *_noise_of(node))):
        return "noise"
    return "mask"
