"""All that a rule may ask of the runs of a model."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from thinned.diagnosis.finding import Layer
from thinned.diagnosis.graph import Call, Drop, Node, Pass, ancestors
from thinned.diagnosis.inputs import Scale
from thinned.diagnosis.source import Reading

ALARM = 1e-6
"""The chance that an audit of a model whose draws are right reports a wrong strength."""


@dataclass(frozen=True)
class Registered:
    """A module as the audit got it: name, itself, its mode and the rate that it states."""

    name: str
    module: Any
    training: bool
    rate: float | None

    @property
    def kind(self) -> str:
        """Its class."""
        return type(self.module).__name__

    @property
    def drops(self) -> bool:
        """Whether it is a dropout of some kind, by its name, with a rate and no modules in it."""
        names = {base.__name__.lower() for base in type(self.module).__mro__}
        is_dropout = any("dropout" in name or "droppath" in name or name == "_dropoutnd" for name in names)
        return is_dropout and self.rate is not None and not any(True for _ in self.module.children())


@dataclass
class Trace:
    """Passes of one model.

    Args:
        model: its class.
        modules: by qualified name.
        given_training: the mode of the root as the audit got it.
        train: two passes in training, the first with its backward pass.
        evaluation: two passes in evaluation.
        neutral: a pass in training after these, with every draw's effect taken out: what was on is known all the
            same, and what differs from a training pass is the noise's doing.
        scales: of the inputs in training and in evaluation, where both were given.
        readings: of the source files of the model.
        compiled: what a compiled model did, where the model is one.
        replaced: names of the modules that are others after the passes in evaluation.
        given_differs: where modules were in another mode than the model as it came: whether two passes of it, as it
            came and without gradients, differed.
    """

    model: str
    modules: dict[str, Registered]
    given_training: bool
    train: list[Pass] = field(default_factory=list)
    evaluation: list[Pass] = field(default_factory=list)
    neutral: Pass = field(default_factory=lambda: Pass("", training=True))
    scales: list[tuple[Scale, Scale]] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    compiled: Any = None
    replaced: set[str] = field(default_factory=set)
    given_differs: bool | None = None

    @cached_property
    def sites(self) -> dict[tuple[Any, ...], list[Drop]]:
        """What met draws in training, forward, of both passes, by place."""
        found: dict[tuple[Any, ...], list[Drop]] = {}
        for each in self.train:
            for drop in each.forward():
                found.setdefault(drop.site, []).append(drop)
        return found

    @cached_property
    def alarm(self) -> float:
        """The chance that one test may fail by chance: each site is tested for its scale and its stated rate."""
        return ALARM / max(1, 5 * len(self.sites))

    @cached_property
    def first(self) -> list[Drop]:
        """Where draws met data in the first training pass, forward."""
        return self.train[0].forward()

    @cached_property
    def reached(self) -> set[Node]:
        """Everything in the first training pass that its outputs came from."""
        return ancestors(self.train[0].outputs)

    @cached_property
    def _evaluated(self) -> set[Node]:
        return ancestors(self.evaluation[0].outputs)

    def masks(self) -> Iterator[Drop]:
        """Of these, the masks that activations were multiplied by."""
        return (drop for drop in self.first if drop.kind == "mask" and drop.x.data == 2)

    def calls(self, name: str) -> list[Call]:
        """A module's calls in the first training pass, forward."""
        return [call for call in self.train[0].calls if call.name == name and not call.again]

    def multiplied(self, module: str, *, training: bool = False) -> list[float]:
        """The constants that a module multiplies by in one of the modes."""
        nodes = self.reached if training else self._evaluated
        return [
            node.number
            for node in nodes
            if node.number is not None and node.call is not None and node.call.name == module
        ]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Activations of every called module without modules in it, in both modes."""
        evaluated: dict[tuple[str, int], Call] = _numbered(self.evaluation[0].calls)
        found = []
        for key, call in _numbered(self.train[0].calls).items():
            other = evaluated.get(key)
            leaf = not any(True for _ in call.module.children())
            if leaf and other is not None and call.moments is not None and other.moments is not None:
                name = call.name if key[1] == 0 else f"{call.name}#{key[1]}"
                found.append(Layer(name, call.kind, call.moments, other.moments))
        return tuple(found)


def _numbered(calls: list[Call]) -> dict[tuple[str, int], Call]:
    counts: dict[str, int] = {}
    found = {}
    for call in calls:
        if not call.again:
            turn = counts.get(call.name, 0)
            counts[call.name] = turn + 1
            found[call.name, turn] = call
    return found
