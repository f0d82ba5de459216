"""What a trial can measure beside loss and accuracy: one measure a file, and this table.

A measure is a function `measure(model, data, context) -> dict[str, float]`. It gets a copy of the network in
evaluation mode, so that nothing it does changes the trial; what it draws, it draws by the law, from `context.seed`
and sites that begin with `measure`. Its results go into the record beside loss and accuracy: those of each epoch
into `epochs`, those of the trained network into `final`. Names are its own, values are finite numbers; a curve is
`name[0]`, `name[1]`, ....

The table holds names alone, so that a configuration can be checked where PyTorch is not open.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

    from thinned.lab.configuration import Configuration

__all__ = ["MEASURES", "Context", "Examples", "Measure", "Measuring", "measuring"]


@dataclass(frozen=True, slots=True)
class Examples:
    """What a trial trains on, and what it is measured on, as tensors.

    Args:
        train_x: float32, axes (example, feature), after the choice of a subset.
        train_y: int64, axes (example,), as they are trained on.
        test_x: as `train_x`: the test examples, or the validation part where there is one.
        test_y: as `train_y`.
        classes: how many.
        shape: of one example, before it was laid out as features.
    """

    train_x: "torch.Tensor"
    train_y: "torch.Tensor"
    test_x: "torch.Tensor"
    test_y: "torch.Tensor"
    classes: int
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """When a measure is taken.

    Args:
        configuration: of the trial.
        seed: of the trial.
        epoch: how many epochs are done.
        last: whether the network is trained; what is measured then goes into `final`.
    """

    configuration: "Configuration"
    seed: int
    epoch: int
    last: bool


Measuring = Callable[[Any, Examples, Context], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of the table.

    Args:
        name: in a configuration's `measures`; `thinned.lab.measures.<name>` has the function `measure`.
        when: "epoch" for after each epoch (`context.last` False), "end" for once, of the trained network
            (`context.last` True), "both".
        names: what it adds to a record, in words.
    """

    name: str
    when: Literal["epoch", "end", "both"]
    names: str


_TABLE: tuple[Measure, ...] = (
    Measure("activation_variance", "epoch", "variance of each hidden layer, and what formulas say of it"),
    Measure(
        "averages", "end", "accuracy and loss of averages of thinned networks, and variance between them"
    ),
    Measure("fit", "epoch", "share of the training labels that are known, dropout off"),
    Measure(
        "input_noise", "end", "growth of the loss under noise on the inputs, and what its second order says"
    ),
    Measure("co_adaptation", "end", "correlation, zeros and removal of hidden units"),
    Measure("published", "end", "accuracy as a published notebook tests, and the expectation of its masks"),
)

MEASURES = {measure.name: measure for measure in _TABLE}
"""By name."""


def measuring(name: str) -> Measuring:
    """The function of a measure."""
    found: Measuring = importlib.import_module(f"thinned.lab.measures.{name}").measure
    return found
