"""A model, and every generator, as they were before: to the bit, whatever a run of the model did."""

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def restored(root: nn.Module) -> Iterator[None]:
    """Within it, a model may be run; afterwards its weights, buffers, modes, attributes, gradients are as before.

    Generators too: PyTorch's on all devices, NumPy's and Python's.
    """
    modules = list(root.modules())
    seen = {id(module) for module in modules}
    modules += [each for module in modules for each in unregistered(module) if id(each) not in seen]
    state = [_Kept(module) for module in modules]
    tensors = {id(tensor): tensor for module in modules for tensor in _tensors(module)}
    values = [(t, t.detach().clone(), t.grad if t.is_leaf else None) for t in tensors.values()]
    generators = _generators()
    try:
        for tensor in tensors.values():  # else a backward pass would add to them in place
            if tensor.is_leaf:
                tensor.grad = None
        yield
    finally:
        for kept in state:
            kept.restore()
        with torch.no_grad():
            for tensor, value, gradient in values:
                if not _same(tensor, value):
                    tensor.detach().copy_(value)
                if tensor.is_leaf:
                    tensor.grad = gradient
        _restore_generators(generators)


def _tensors(module: nn.Module) -> Iterable[Tensor]:
    yield from module.parameters(recurse=False)
    yield from module.buffers(recurse=False)
    yield from (value for value in vars(module).values() if isinstance(value, Tensor))


def _same(tensor: Tensor, value: Tensor) -> bool:
    return tensor.shape == value.shape and bool(torch.equal(tensor.detach(), value))


def rewinding(root: nn.Module) -> Callable[[], None]:
    """What sets the steps of bindings of ours back to what they are now: a call counts them, and no seed does."""
    found = [
        vars(module)["_thinned"] for module in root.modules() if vars(module).get("_thinned") is not None
    ]
    steps = [(binding, binding.step, binding.last.step) for binding in found]

    def rewind() -> None:
        for binding, step, last in steps:
            binding.step, binding.last.step = step, last

    return rewind


_PLAIN = (dict, list, set)


class _Kept:
    """One module's attributes, and those of a binding of ours, which counts steps."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._attributes = dict(vars(module))
        self._contents = [
            (value, value.copy()) for value in vars(module).values() if isinstance(value, _PLAIN)
        ]
        binding = vars(module).get("_thinned")
        self._binding = binding
        self._counted = None if binding is None else (binding.step, binding.last.step)

    def restore(self) -> None:
        attributes = vars(self._module)
        for name in [name for name in attributes if name not in self._attributes]:
            del attributes[name]
        attributes.update(self._attributes)
        for container, contents in self._contents:  # handles of hooks refer to the container itself
            container.clear()
            container.extend(contents) if isinstance(container, list) else container.update(contents)
        if self._binding is not None and self._counted is not None:
            self._binding.step, self._binding.last.step = self._counted


def unregistered(module: nn.Module) -> Iterable[nn.Module]:
    """Modules in a module's plain lists, tuples and dictionaries, which it does not know as its own, and theirs."""
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        items = value.values() if type(value) is dict else value if type(value) in {list, tuple} else ()
        for item in items:
            if isinstance(item, nn.Module):
                yield from item.modules()


def _generators() -> list[tuple[Any, Any]]:
    kept: list[tuple[Any, Any]] = [
        (torch.set_rng_state, torch.get_rng_state()),
        (random.setstate, random.getstate()),
    ]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        kept.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        kept.append((numpy.random.set_state, numpy.random.get_state()))
    return kept


def _restore_generators(kept: list[tuple[Any, Any]]) -> None:
    for put, state in kept:
        put(state)
