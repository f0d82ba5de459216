"""Runs a PyTorch model a few times, under seeds of its own, and hands what was recorded to the rules."""

import dataclasses
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._pytree import tree_leaves

from thinned.diagnosis.graph import Call, Pass
from thinned.diagnosis.rates import stated_rate
from thinned.diagnosis.recorder import Functions, Recorder
from thinned.diagnosis.restore import restored
from thinned.diagnosis.trace import Registered, Trace
from thinned.errors import AuditError

SEED = 20140615
"""Of all passes of every audit, so that an audit says the same each time; the month of Srivastava et al."""


def record(model: nn.Module, train_input: Any, eval_input: Any) -> Trace:
    """Run a model and return what it did; it is left as it was.

    Args:
        model: of PyTorch.
        train_input: of a call in training: a tensor, a tuple of arguments or a dictionary of keyword arguments.
        eval_input: of a call in evaluation.

    Raises:
        AuditError: a call of the model raised, or returned no tensor.
    """
    trace = Trace(type(model).__name__, _registered(model), model.training)
    given = {name: each.training for name, each in trace.modules.items()}
    if not model.training and any(given.values()):
        with restored(model), torch.no_grad():  # as it came, with nothing of ours that slows a fast path down
            outputs = [list(tensors_of(call(model, eval_input))) for _ in range(2)]
            trace.given_differs = any(not torch.equal(a, b) for a, b in zip(*outputs, strict=False))
    with restored(model), _recording(model) as recorder:
        seed()
        trace.train = [
            _pass(recorder, model, train_input, "train", backward=True),
            _pass(recorder, model, train_input, "train again"),
        ]
        trace.evaluation = [
            _pass(recorder, model, eval_input, "evaluation"),
            _pass(recorder, model, eval_input, "evaluation again"),
        ]
        now = dict(model.named_modules())
        trace.replaced = {name for name, each in trace.modules.items() if now.get(name) is not each.module}
        trace.neutral = _pass(recorder, model, train_input, "train without noise")
    return trace


def seed() -> None:
    """All generators, by the audit's own seed."""
    torch.manual_seed(SEED)
    random.seed(SEED)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(SEED)


@contextmanager
def _recording(model: nn.Module) -> Iterator[Recorder]:
    recorder = Recorder(model, _run.__code__)
    calls = _Calls(recorder)
    with ExitStack() as stack:
        for handle in (
            register_module_forward_pre_hook(calls.enter),
            register_module_forward_hook(calls.leave, always_call=True),
        ):
            stack.callback(handle.remove)
        yield recorder


def _pass(recorder: Recorder, model: nn.Module, example: Any, name: str, *, backward: bool = False) -> Pass:
    training = name.startswith("train")
    current = recorder.current = Pass(name, training)
    recorder.call, recorder.neutral = None, name == "train without noise"
    for tensor in tensors_of(example):
        recorder.source(tensor, "input", 2)
    model.train() if training else model.eval()  # as users do: either may be overridden
    before = torch.initial_seed()
    try:
        with torch.set_grad_enabled(training):
            result = _run(recorder, model, example, backward=backward)
    except Exception as error:
        raise AuditError(
            f"expected a model that can be called with the example input; its call in {name} raised "
            f"{type(error).__name__}: {error}. Check the input's shapes: {_shapes(example)}."
        ) from error
    found = [tensor for tensor in tensors_of(result) if tensor.numel()]
    if not found:
        raise AuditError(
            f"expected a model whose call returns at least one tensor; got {type(result).__name__} with none."
        )
    current.outputs = [recorder.node(tensor) for tensor in found]
    current.values = [tensor.detach() for tensor in found]
    current.reseeded = torch.initial_seed() != before
    return current


def _run(recorder: Recorder, model: nn.Module, example: Any, *, backward: bool) -> Any:
    """Call the model; frames above this one are not the model's."""
    with Functions(recorder), recorder:
        result = call(model, example)
        if backward:
            losses = [
                tensor.float().square().mean()
                for tensor in tensors_of(result)
                if tensor.requires_grad and tensor.is_floating_point() and tensor.numel()
            ]
            if losses:
                loss = torch.stack(losses).sum()
                with _unseen():
                    gradient = torch.ones_like(loss)
                recorder.source(
                    gradient, "gradient", 2
                )  # else a mask drawn in backward would meet a constant
                torch.autograd.backward([loss], [gradient])
    return result


def call(model: Any, example: Any) -> Any:
    """Call a model with its example input."""
    if isinstance(example, Mapping):
        return model(**example)
    return model(*example) if isinstance(example, (tuple, list)) else model(example)


class _Calls:
    """Follows which module runs, also modules that no model knows."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._generators: list[tuple[Any, ...]] = []
        recorder.foreign = self.foreign

    def enter(self, module: nn.Module, args: Any) -> None:
        recorder = self._recorder
        name = recorder.names.get(id(module))
        outer = recorder.call
        known = name is not None
        if name is None:
            name = (
                f"{outer.name}." * bool(outer and outer.name) + f"<{type(module).__name__}>" if outer else ""
            )
        again = torch._C._current_autograd_node() is not None
        found = Call(name, module, outer, known, module.training, again)
        with _unseen():
            found.inputs = [recorder.node(tensor) for tensor in tensors_of(args)]
        recorder.current.calls.append(found)
        recorder.call = found
        self._generators.append(_state())

    def foreign(self) -> str:
        """Which generator that PyTorch knows nothing of has drawn in the module that runs, or ""."""
        drew = _drew(self._generators[-1], _state()) if self._generators else ()
        return drew[0] if drew else ""

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        recorder, found = self._recorder, self._recorder.call
        if found is None or found.module is not module:
            return
        recorder.call = found.parent
        found.foreign = _drew(self._generators.pop(), _state())
        tensors = list(tensors_of(output))
        with _unseen():
            found.outputs = [recorder.node(tensor) for tensor in tensors]
            if recorder.current.name in {"train", "evaluation"} and not any(True for _ in module.children()):
                found.moments = _moments(tensors)


def _drew(before: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[str, ...]:
    names = ("Python's random", "numpy.random")
    return tuple(name for name, old, new in zip(names, before, after, strict=True) if old != new)


def _state() -> tuple[Any, ...]:
    """Where the generators that PyTorch knows nothing of are."""
    numpy = sys.modules.get("numpy")
    state = None
    if numpy is not None:
        legacy = numpy.random.get_state(legacy=True)
        state = (int(legacy[2]), int(legacy[1][0]), legacy[3])
    return hash(random.getstate()), state


@contextmanager
def _unseen() -> Iterator[None]:
    """What the audit itself computes is none of the model's operations."""
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction(), torch.no_grad():
        yield


def _moments(tensors: list[Tensor]) -> tuple[float, float] | None:
    values = next((tensor for tensor in tensors if tensor.is_floating_point() and tensor.numel()), None)
    if values is None or values.layout is not torch.strided:
        return None
    values = values.detach().float()
    return float(values.mean()), float(values.var(correction=0))


def _registered(model: nn.Module) -> dict[str, Registered]:
    return {
        name: Registered(name, module, module.training, stated_rate(module))
        for name, module in model.named_modules()
    }


def tensors_of(value: Any) -> Iterator[Tensor]:
    """The tensors in what a model takes or returns: containers, dataclasses, objects of `transformers`."""
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            yield leaf
        elif dataclasses.is_dataclass(leaf) and not isinstance(leaf, type):
            yield from tensors_of([getattr(leaf, each.name) for each in dataclasses.fields(leaf)])
        elif isinstance(leaf, Mapping):
            yield from tensors_of(list(leaf.values()))


def _shapes(example: Any) -> str:
    return (
        ", ".join(f"{tuple(tensor.shape)} {tensor.dtype}" for tensor in tensors_of(example)) or "no tensors"
    )
