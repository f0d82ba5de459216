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
        name: of the class, the same in each framework.
        row: what the method is.
        paper: where it comes from.
        frameworks: front ends of this library that have it as a layer.
    """

    name: str
    row: Row
    paper: Paper
    frameworks: tuple[str, ...]
