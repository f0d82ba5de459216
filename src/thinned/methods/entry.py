"""What the catalogue says of a method: its row in the table, its paper, its moments, and how it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


class Moments(NamedTuple):
    """Mean and variance of each output element, given the input: arrays like it, in float64."""

    mean: Any
    variance: Any


@dataclass(frozen=True, slots=True)
class Row:
    """A regulariser as five choices.

    Args:
        perturbed: what is multiplied or added to: activations, weights, inputs, residual branch, ...
        law: of the draws: Bernoulli(rate), multiplicative normal, ...
        sharing: which elements have one draw in common: none, channel, time, sample, ...
        correction: what keeps the expectation: inverted scale, alpha affine, ...
        rate: where it comes from. A constant one may be a schedule of the step (`thinned.linear` and its kin), or
            grow with the depth where `convert` places the layers.
    """

    perturbed: str
    law: str
    sharing: str
    correction: str
    rate: str = "constant or scheduled"


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
        layers: the classes or functions that are it, each as its framework calls it, with the path within this
            library.
        example: arguments that one is made from, as a user writes them; `nn` is the framework's own.
        shape: of an input that the example takes.
        cost: of a training step beyond the network's own, in words.
        moments: of the output, given the input: `moments(x, ...)`, with the method's own arguments behind; None
            where the output is not a function of one array.
        note: what else is to be known of where it is: why a framework has it not, or by another name.
    """

    name: str
    row: Row
    paper: Paper
    layers: tuple[str, ...]
    example: str = "0.5"
    shape: tuple[int, ...] = (8, 16)
    cost: str = "one pass over memory"
    moments: Callable[..., Moments] | None = None
    note: str = ""

    @property
    def frameworks(self) -> tuple[str, ...]:
        """The front ends of this library that have it, each once."""
        return tuple(dict.fromkeys(layer.partition(".")[0] for layer in self.layers))
