"""What the catalogue says of a method: its row in the table, and its paper."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A regulariser as five choices.

    Args:
        perturbed: what is multiplied or added to: activations, weights, inputs, residual branch, ...
        law: of the draws: Bernoulli(rate), multiplicative normal, ...
        sharing: which elements have one draw in common: none, channel, time, sample, ...
        correction: what keeps the expectation: inverted scale, alpha affine, ...
        rate: constant, a schedule of the step, by depth, learned.
    """

    perturbed: str
    law: str
    sharing: str
    correction: str
    rate: str = "constant"


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a method comes from."""

    authors: str
    title: str
    year: int
    link: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue.

    Args:
        name: of the method; PyTorch's class has it.
        row: what the method is.
        paper: where it comes from.
        layers: the classes that are it, each as its framework calls it, with the path within this library.
    """

    name: str
    row: Row
    paper: Paper
    layers: tuple[str, ...]

    @property
    def frameworks(self) -> tuple[str, ...]:
        """The front ends of this library that have it as a layer."""
        return tuple(layer.partition(".")[0] for layer in self.layers)
