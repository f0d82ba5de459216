"""A subject: any implementation, made and called in one way, with what it cannot do said in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from thinned.conformance.outcome import NotApplicableError
from thinned.conformance.runtime import Runtime


class Instance(Protocol):
    """One implementation at one rate.

    `raw(x, *token)` is one call in training; a token is the randomness of one call where that is an argument of the
    subject, and empty where the subject finds it itself. Some make a call to get from one token to the
    next: `shape` is then that of its input, and set by the bench.
    """

    @property
    def raw(self) -> Callable[..., Any]:
        """A call in training, as a function that a framework can transform."""

    def token(self) -> tuple[Any, ...]:
        """The randomness of the next call."""

    def __call__(self, x: Any) -> Any:
        """The next call in training."""

    def evaluate(self, x: Any) -> Any:
        """A call in evaluation."""


@dataclass(frozen=True)
class Subject:
    """What `verify` looks at.

    Args:
        name: for people.
        kind: of the adapter that made it.
        runtime: its framework.
        make: `make(rate, seed)` gives an `Instance` whose draws are those of the seed.
        twin: `twin(rate, seed)` gives two instances that stand in one model.
        lacks: what it cannot do, each with the reason; the names are those of `CAPABILITIES`.
        disturbs: names of the global generators that it may draw from.
        ours: whether it is of this library, and so held to every check.
        nan: what becomes of a NaN that is dropped, "zero" or "propagates"; None where that is not stated.
    """

    name: str
    kind: str
    runtime: Runtime
    make: Callable[[float, int], Instance]
    twin: Callable[[float, int], tuple[Instance, Instance]]
    lacks: Mapping[str, str] = field(default_factory=dict)
    disturbs: frozenset[str] = frozenset()
    ours: bool = False
    nan: str | None = None

    def need(self, *capabilities: str) -> None:
        """Raise `NotApplicableError` with the reason, where the subject lacks one of them."""
        for each in capabilities:
            if each not in CAPABILITIES:
                raise KeyError(f"expected one of {sorted(CAPABILITIES)}; got {each!r}.")
            if each in self.lacks:
                raise NotApplicableError(self.lacks[each])


CAPABILITIES = {
    "rates": "can be made at any rate",
    "evaluation": "has an evaluation mode",
    "seed": "can be made to repeat",
    "layers": "has several in one model that find their randomness themselves",
    "gradient": "has a gradient",
    "checkpoint": "can be recomputed",
    "compile": "can be compiled",
    "vmap": "can be vectorised",
    "half": "takes low precision",
}
"""What a subject may lack, and so which checks may not apply."""
