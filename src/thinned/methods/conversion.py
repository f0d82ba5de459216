"""Swapping a framework's dropout for ours: what was done, and what code draws for itself."""

import dis
import inspect
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any


@dataclass
class Report:
    """What `convert` did.

    Args:
        swapped: name -> what stands there now.
        left: name -> why it was left as it is, and what to do.
        dry_run: nothing was done; `swapped` is what would stand there.

    Example:
        >>> print(Report({"drop": "Dropout(rate=0.5)"}, {"rnn": "draws inside one fused call"}))
        swapped 1, left 1
          drop: Dropout(rate=0.5)
          rnn: left; draws inside one fused call
    """

    swapped: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    dry_run: bool = False

    def __str__(self) -> str:
        """One line a layer."""
        verb = "a dry run: would swap" if self.dry_run else "swapped"
        lines = [f"{verb} {len(self.swapped)}, left {len(self.left)}"]
        lines += [f"  {name or '(the model itself)'}: {what}" for name, what in self.swapped.items()]
        lines += [f"  {name or '(the model itself)'}: left; {why}" for name, why in self.left.items()]
        return "\n".join(lines)


def drawn_by(
    function: Any,
    names: Collection[str],
    is_layer: Callable[[Any], bool],
    depth: int = 2,
    owner: Any = None,
) -> Iterator[str]:
    """The random functions that a function names, and those that functions and methods of its module name for it.

    Args:
        function: whose code is read; anything that has no Python code names none.
        names: of random functions.
        is_layer: whether an object is a layer, which is called dropout and is no function.
        depth: how many functions of its module, or methods of its owner, may stand between.
        owner: the layer whose method it is. What a method draws at a rate of its owner's that is 0 is left out.
    """
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        return
    code = function.__code__
    for name in _names(code):
        target = function.__globals__.get(name)
        if is_layer(target) or inspect.isclass(target):
            continue
        if owner is not None and _is_attribute_of_self(code, name):
            target = inspect.getattr_static(type(owner), name, None)
        elif name in names:
            if not _is_attribute_of_self(code, name) and not _is_off(owner, code):
                yield name
            continue
        if depth and isinstance(target, FunctionType) and target.__module__ == function.__module__:
            yield from drawn_by(target, names, is_layer, depth - 1, owner)


def is_only_read(function: Any, name: str, attribute: str) -> bool:
    """Whether a method names `self.name` only to read one attribute of it, as in `drop(x, self.dropout.p)`.

    Args:
        function: the method.
        name: of the attribute of `self`.
        attribute: of that.
    """
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        return False
    steps = list(dis.get_instructions(function.__code__))
    following = [
        after.argval
        for step, after in itertools.pairwise(steps)
        if step.argval == name and "LOAD" in step.opname
    ]
    return bool(following) and set(following) == {attribute}


def _is_off(owner: Any, code: CodeType) -> bool:
    """Whether a method reads rates of its owner, numbers that are called after dropout, and all of them are 0."""
    read = {
        after.argval
        for step, after in itertools.pairwise(dis.get_instructions(code))
        if step.argval == "self"
    }
    found = [getattr(owner, name, None) for name in read if isinstance(name, str) and "drop" in name]
    rates = [rate for rate in found if isinstance(rate, (int, float)) and not isinstance(rate, bool)]
    return bool(rates) and not any(rates)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_attribute_of_self(code: CodeType, name: str) -> bool:
    """Whether every `name` in the code is `self.name`: a layer that is called dropout, not a function."""
    owners = []
    previous: dis.Instruction | None = None
    for step in dis.get_instructions(code):
        if step.argval == name and step.opname.startswith("LOAD"):
            owners.append(previous is not None and previous.argval == "self")
        previous = step
    return bool(owners) and all(owners)


def check_no_rules(seed: object) -> None:
    """Refuse rules by patterns where a seed is expected.

    Raises:
        TypeError: says who takes them.

    Example:
        >>> check_no_rules({"*.drop": 0.5})
        Traceback (most recent call last):
        TypeError: expected a seed, or none; got rules for '*.drop', which only thinned.torch.convert takes. Put ...
    """
    if isinstance(seed, Mapping):
        raise TypeError(
            f"expected a seed, or none; got rules for {', '.join(map(repr, seed))}, which only "
            "thinned.torch.convert takes. Put the layers that you want into the model, or set their rates."
        )
