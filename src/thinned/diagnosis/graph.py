"""What a run of a model leaves behind: operations, what they came from, draws, and where draws met data."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from thinned.diagnosis.finding import Place

Kind: TypeAlias = Literal["mask", "noise", "alpha", "additive", "replaced", "selected", "opaque"]
"""How a draw met data: multiplied by zeros and a constant, by other numbers, affinely (alpha dropout), added,
written in place of it, used as an index, or inside an operator that shows nothing."""


@dataclass(eq=False)
class Call:
    """One call of one module.

    Args:
        name: the qualified name.
        module: itself.
        parent: the call that it was made in.
        registered: whether the model knows it; if not, `model.eval()` does not reach it.
        training: its mode when it was called.
        again: in the backward pass, by an activation checkpoint.
    """

    name: str
    module: Any
    parent: "Call | None"
    registered: bool
    training: bool
    again: bool = False
    inputs: "list[Node]" = field(default_factory=list)
    outputs: "list[Node]" = field(default_factory=list)
    moments: tuple[float, float] | None = None
    foreign: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The module's class."""
        return type(self.module).__name__

    def within(self) -> "Iterator[Call]":
        """This call and those that it was made in."""
        call: Call | None = self
        while call is not None:
            yield call
            call = call.parent


@dataclass(frozen=True)
class Function:
    """A call of a functional that states a rate: `F.dropout(x, p, training)` and its kin.

    Args:
        name: of the functional.
        p: the rate, its default included.
        training: the mode that it was given; None where it has none.
        call: the module that it ran in.
        place: module, file and line.
        shape: of the data.
        default: whether the user's line leaves the rate out.
    """

    name: str
    p: float | None
    training: bool | None
    call: Call | None
    place: Place
    shape: tuple[int, ...]
    default: bool = False


@dataclass(eq=False)
class Node:
    """One operation, and what it made.

    Args:
        op: the operator's name, without overload.
        parents: what it read.
        call: the module that it ran in.
        data: 0 where nothing of a model's input or weights is in it, 1 weights alone, 2 activations.
        random: whether a draw is in it.
        shape: of its first result.
        number: the scalar that it multiplied by, where it did just that.
        draw: whether it drew.
        backward: whether it ran in the backward pass.
    """

    op: str
    parents: "tuple[Node, ...]"
    call: Call | None
    data: int
    random: bool
    shape: tuple[int, ...] = ()
    number: float | None = None
    draw: bool = False
    backward: bool = False
    place: Place | None = None
    drop: "Drop | None" = None
    children: "list[Node]" = field(default_factory=list)
    order: int = 0

    @property
    def noise(self) -> bool:
        """Made of draws and constants alone."""
        return self.random and not self.data


@dataclass(frozen=True)
class Noise:
    """What is known of the numbers that data met.

    Args:
        shape: of the numbers, without axes that they were spread along.
        shared: axes of the data that one draw is shared along.
        count: of independent numbers.
        kept: how many of them are not zero.
        scale: the only value that is not zero, or None where there are several.
        mean, spread: of all of them.
        digest: of which are zero.
        bits: minus the logarithm to base 2 of the chance that another mask of this kind is the same.
        independent: whether each is one draw's, and not made of several.
        lanes: pairs of equal rows along the batch axis that cannot be chance.
        rows: how many rows (a sample's units) there are, and how many of them are dropped whole.
        units: of a row.
        rounding: by which the scale is known, as a share of it.
    """

    shape: tuple[int, ...]
    shared: tuple[int, ...]
    count: int
    kept: int
    scale: float | None
    mean: float
    spread: float
    digest: str
    bits: float
    independent: bool
    lanes: int = 0
    rows: tuple[int, int] = (0, 0)
    units: int = 0
    rounding: float = 0.0

    @property
    def keep(self) -> float:
        """The share of numbers that are not zero."""
        return self.kept / self.count if self.count else 1.0


@dataclass(eq=False)
class Drop:
    """A draw met data here.

    Args:
        kind: how.
        node: the operation.
        x: what was dropped from.
        draws: the operations that drew.
        call: the module that it ran in.
        function: the functional that it ran in, where it states a rate.
        noise: the numbers; None where the operator shows none.
        shape: of the data.
        place: module, file and line.
        stated: the rate that the module or the functional states.
        correlation: of neighbours in the data, where it is a feature map.
        backward: whether it ran in the backward pass.
        stack: the lines of the user's source that led here, the innermost first.
    """

    kind: Kind
    node: Node
    x: Node
    draws: tuple[Node, ...]
    call: Call | None
    function: Function | None
    noise: Noise | None
    shape: tuple[int, ...]
    place: Place
    stated: float | None
    correlation: float | None = None
    backward: bool = False
    stack: tuple[Any, ...] = ()

    @property
    def site(self) -> tuple[Any, ...]:
        """What tells one place of a model from another: one function may be called from two lines."""
        return self.place.module, self.stack, self.function.name if self.function else ""

    @property
    def whole_samples(self) -> bool:
        """Whether one draw decides for all of a sample: stochastic depth."""
        if self.noise is None or self.kind != "mask" or len(self.shape) < 2:
            return False
        return set(range(1, len(self.shape))) <= set(self.noise.shared) and 0 not in self.noise.shared

    @property
    def elementwise(self) -> bool:
        """Whether each element has a draw of its own."""
        return self.noise is not None and not self.noise.shared and self.noise.independent


@dataclass(eq=False)
class Pass:
    """One run of the model; `fixed` is where data met a mask that nothing drew."""

    name: str
    training: bool
    draws: list[Node] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    fixed: list[Drop] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    outputs: list[Node] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    norms: list[tuple[Node, Any]] = field(default_factory=list)
    reseeded: bool = False

    def forward(self) -> list[Drop]:
        """Where draws met data in the forward pass."""
        return [drop for drop in self.drops if not drop.backward]


def ancestors(nodes: "list[Node] | tuple[Node, ...]") -> set[Node]:
    """Everything that these came from, and they themselves."""
    seen: set[Node] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(node.parents)
    return seen
