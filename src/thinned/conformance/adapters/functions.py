"""Functions `f(x, rate)` of arrays, of any framework: with a mode, a key, a seed or a generator, or with none."""

from collections.abc import Callable
from typing import Any

from thinned.conformance.runtime import Runtime
from thinned.conformance.signature import Parameters, parameters
from thinned.conformance.subject import Subject
from thinned.errors import SubjectError

RANDOM = ("key", "generator", "seed")
"""Roles of a parameter that the randomness of a call comes by."""

Function = Callable[..., Any]


class Call:
    """A function at one rate; its k-th call has the k-th token of its seed."""

    def __init__(
        self, function: Function, known: Parameters, runtime: Runtime, rate: float, seed: int
    ) -> None:
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


def function_subject(function: Function, runtime: Runtime, *, kind: str, name: str, ours: bool) -> Subject:
    """A subject of a function; what its signature does not have, it lacks."""
    known = parameters(function)
    lacks = {}
    if not known.has("rate", "keep"):
        lacks["rates"] = "it has no parameter for the rate; give a function of x and rate"
    return subject_of(lambda rate: function, known, runtime, kind=kind, name=name, ours=ours, lacks=lacks)


def refuse_stated(stated: dict[str, Any], what: str) -> None:
    """Refuse `train=`, `evaluate=` and their like, which a subject of this kind is not called by.

    Raises:
        SubjectError: one is stated.
    """
    if any(value is not None for value in stated.values()):
        raise SubjectError(
            f"expected train= and evaluate= for a module of PyTorch; wrap {what} in a function."
        )


def subject_of(
    at: Callable[[float], Function],
    known: Parameters,
    runtime: Runtime,
    *,
    kind: str,
    name: str,
    ours: bool,
    lacks: dict[str, str],
) -> Subject:
    """A subject of functions that are each made at a rate, and share their other parameters."""
    by_argument = known.has(*RANDOM)

    def make(rate: float, seed: int) -> Call:
        runtime.seed(seed)
        return Call(at(rate), known, runtime, rate, seed)

    def twin(rate: float, seed: int) -> tuple[Call, Call]:
        first = make(rate, seed)
        return first, Call(at(rate), known, runtime, rate, seed)

    if not known.has("training", "deterministic"):
        lacks = {
            **lacks,
            "evaluation": "it has no parameter for the mode (training=, deterministic=): its caller decides",
        }
    if by_argument:
        lacks = {**lacks, "layers": "its randomness is an argument, so its caller keeps layers apart"}
    if known.has("generator") and runtime.own_generator:
        lacks = {
            **lacks,
            "checkpoint": "its generator is an argument, which has moved on when it is called again",
        }
    disturbs = frozenset() if by_argument else frozenset({runtime.own_generator} - {""})
    return Subject(name, kind, runtime, make, twin, lacks, disturbs, ours)
