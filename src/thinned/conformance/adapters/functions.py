"""Functions `f(x, rate)` of arrays, whatever their framework: with a mode, a key, a seed or a generator, or none."""

from collections.abc import Callable
from typing import Any

from thinned.conformance.runtime import Runtime
from thinned.conformance.signature import Parameters, parameters
from thinned.conformance.subject import Subject

RANDOM = ("key", "generator", "seed")
"""Roles of a parameter that the randomness of a call comes by."""


class Call:
    """A function at one rate; its k-th call has the k-th token of its seed."""

    def __init__(
        self, function: Callable[..., Any], known: Parameters, runtime: Runtime, rate: float, seed: int
    ):
        self._function, self._known, self._runtime = function, known, runtime
        self._rate, self._seed, self._turn = rate, seed, 0
        self._roles = [role for role in RANDOM if known.has(role)]

    def raw(self, x: Any, *token: Any) -> Any:
        """A call in training."""
        return self._called(x, token, train=True)

    def token(self) -> tuple[Any, ...]:
        """The next key, seed or generator."""
        self._turn += 1
        return tuple(self._runtime.randomness(role, self._seed, self._turn) for role in self._roles)

    def __call__(self, x: Any) -> Any:
        """The next call in training."""
        return self.raw(x, *self.token())

    def evaluate(self, x: Any) -> Any:
        """A call in evaluation, with randomness that it should not use."""
        return self._called(x, self.token(), train=False)

    def _called(self, x: Any, token: tuple[Any, ...], *, train: bool) -> Any:
        names = self._known.names
        given = {names["x"]: x} | self._known.rate(self._rate) | self._known.mode(train)
        given |= {names[role]: part for role, part in zip(self._roles, token, strict=True)}
        first = [given.pop(name) for name in self._known.positional if name in given]
        return self._function(*first, **given)


def function_subject(
    function: Callable[..., Any], runtime: Runtime, *, kind: str, name: str, ours: bool
) -> Subject:
    """A subject of a function; what its signature does not have, it lacks."""
    known = parameters(function)
    drawn_by_argument = known.has(*RANDOM)

    def make(rate: float, seed: int) -> Call:
        if not drawn_by_argument:
            runtime.seed(seed)
        return Call(function, known, runtime, rate, seed)

    def twin(rate: float, seed: int) -> tuple[Call, Call]:
        first = make(rate, seed)
        return first, Call(function, known, runtime, rate, seed)

    lacks = {}
    if not known.has("rate", "keep"):
        lacks["rates"] = "it has no parameter for the rate; give a function of x and rate"
    if not known.has("training", "deterministic"):
        lacks["evaluation"] = (
            "it has no parameter for the mode (training=, deterministic=): its caller decides"
        )
    if drawn_by_argument:
        lacks["layers"] = "its randomness is an argument, so its caller keeps layers apart"
    return Subject(name, kind, runtime, make, twin, lacks, _disturbed(runtime, drawn_by_argument), ours)


def _disturbed(runtime: Runtime, drawn_by_argument: bool) -> frozenset[str]:
    return frozenset() if drawn_by_argument else frozenset({runtime.own_generator})
