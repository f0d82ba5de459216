"""What the parameters of a stranger's function are for, from their names."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from thinned.errors import SubjectError

ROLES = {
    "x": {"x", "input", "inputs", "tensor", "array", "a", "h", "hidden", "hidden_states", "data", "residual"},
    "rate": {
        "rate", "p", "dropout", "drop_prob", "drop_rate", "dropout_rate", "dropout_prob", "prob", "drop_p", "std",
        "stddev", "sigma",
    },
    "keep": {"keep_prob", "keep_rate", "keep_p", "p_keep", "keep"},
    "training": {"training", "train", "is_training", "is_train"},
    "deterministic": {"deterministic", "inference", "eval", "evaluate", "evaluation"},
    "key": {"key", "rng", "rng_key", "prng_key", "prngkey"},
    "generator": {"generator", "gen", "random_state"},
    "seed": {"seed"},
}  # fmt: skip
"""Names that a parameter of each role goes by, in lower case."""

_BY_NAME = {name: role for role, names in ROLES.items() for name in names}


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of a function: the name of its parameter of each role, and how many have to be given by position."""

    names: dict[str, str]
    positional: tuple[str, ...] = ()

    def has(self, *roles: str) -> bool:
        """Whether one of them is there."""
        return any(role in self.names for role in roles)

    def rate(self, rate: float) -> dict[str, float]:
        """The rate as this function takes it."""
        if "rate" in self.names:
            return {self.names["rate"]: rate}
        return {self.names["keep"]: 1 - rate} if "keep" in self.names else {}

    def mode(self, train: bool) -> dict[str, bool]:
        """The mode as this function takes it."""
        found = {self.names["training"]: train} if "training" in self.names else {}
        return found | ({self.names["deterministic"]: not train} if "deterministic" in self.names else {})


def parameters(function: Callable[..., Any], *, unknown: str = "refuse") -> Parameters:
    """The roles of a function's parameters.

    Args:
        function: anything with a signature.
        unknown: "refuse" a parameter that has no default and no role, or "skip" it.

    Raises:
        SubjectError: such a parameter, or none that could be the input or the rate.

    Example:
        >>> parameters(lambda x, keep_prob, training=True: x).names
        {'x': 'x', 'keep': 'keep_prob', 'training': 'training'}
    """
    names: dict[str, str] = {}
    strangers, positional = [], []
    for each in inspect.signature(function).parameters.values():
        role = _BY_NAME.get(each.name.lower())
        if each.kind in {each.VAR_POSITIONAL, each.VAR_KEYWORD}:
            continue
        if role is not None and role not in names:
            names[role] = each.name
            if each.kind is each.POSITIONAL_ONLY:
                positional.append(each.name)
        elif each.default is each.empty:
            strangers.append(each.name)
    if strangers and "x" not in names:
        names = {"x": strangers.pop(0)} | names
    if strangers and unknown == "refuse":
        raise SubjectError(
            f"expected parameters whose names say what they are for (such as x, rate, training, key, seed); got "
            f"{', '.join(strangers)} in {_called(function)}. Wrap it: `lambda x, rate: ...`."
        )
    return Parameters(names, tuple(positional))


def making(cls: type) -> inspect.Signature:
    """How a class is called: metaclasses may hide the parameters of its constructor.

    Example:
        >>> class Thing:
        ...     def __init__(self, rate): ...
        >>> str(making(Thing))
        '(rate)'
    """
    found = inspect.signature(cls)
    if all(each.kind in {each.VAR_POSITIONAL, each.VAR_KEYWORD} for each in found.parameters.values()):
        constructor = next(vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base))
        own = list(inspect.signature(constructor).parameters.values())
        return inspect.Signature(own[1:])
    return found


def _called(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__qualname__', repr(function))}{inspect.signature(function)}"
