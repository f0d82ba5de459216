"""The options of `thinned study`, and how words become values; what cannot become one is a usage error."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Number = TypeVar("Number", int, float)


def _option(*names: str, of: str) -> Any:
    return typer.Option(*names, help=of, show_default=False)


Name = Annotated[str | None, typer.Argument(help="Which study, or all; see --list.", show_default=False)]
DataName = Annotated[
    str | None,
    _option(
        of="digits, fashion-mnist, an .npz file or a folder of images. "
        "By default Fashion-MNIST where it lies here already, else digits."
    ),
]
Seeds = Annotated[
    str | None,
    _option(
        of="Paired seeds; or auto, as many as it takes to see --difference, or that there is none. "
        "[default: the study's; of dropout 5, or 10 quick]"
    ),
]
Difference = Annotated[
    float | None,
    _option(
        of="The smallest difference that matters, in percentage points of accuracy: how many seeds show it. "
        "With --seeds auto, stop when it is decided."
    ),
]
MostSeeds = Annotated[
    int | None, _option("--most-seeds", of="Of --seeds auto: stop at the latest after these. [default: 60]")
]
Model = Annotated[
    str | None,
    _option(
        of="Your own model: path/to/file.py:make or package.module:make, a function that returns a fresh "
        "nn.Module. Each of --rates is an arm, compared with 0."
    ),
]
Epochs = Annotated[
    int | None, _option(of="Passes over the data. [default: the study's; of dropout 10, or 100 quick]")
]
Quick = Annotated[bool, typer.Option("--quick", help="Digits and a small design, in about a minute.")]
Full = Annotated[bool, typer.Option("--full", help="Fashion-MNIST and the whole design; may take hours.")]
Rates = Annotated[
    str | None,
    _option(
        "--rates",
        of="Probability of dropping after each hidden layer, or one for all. [default: 0.2,0.5] With --model: of "
        "each arm. [default: 0,0.1,0.3,0.5]",
    ),
]
Width = Annotated[
    str | None, _option(of="Units of each hidden layer, or one number for both. [default: 256,256]")
]
LearningRate = Annotated[
    float | None, _option(of="Learning rate. [default: 0.5; with --model 0.001, of Adam]")
]
Batch = Annotated[
    int | None,
    _option(of="Examples in a minibatch. [default: 256, or all where there are fewer; with --model 64]"),
]
Out = Annotated[Path | None, _option(of="Folder for the records and the report. [default: runs/NAME-DATA]")]
DataFolder = Annotated[Path | None, _option(of="Where Fashion-MNIST lies. [default: $THINNED_DATA]")]
Jobs = Annotated[
    int | None, _option(of="Runs at once. [default: one a processor, as many as the memory holds]")
]
Stacked = Annotated[
    str | None,
    _option(
        of="Whether runs of one shape are trained as one program: auto where that is faster, always, never. "
        "[default: auto]"
    ),
]
Device = Annotated[str | None, _option(of="Where stacked runs are trained: cpu or cuda. [default: cpu]")]
Ray = Annotated[str | None, _option(of="Train on a Ray cluster: its address, or auto for this machine's.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Listing = Annotated[bool, typer.Option("--list", help="List the studies and what they ask.")]


def seeds(text: str | None) -> int | str | None:
    """A number of seeds, "auto", or None.

    Example:
        >>> seeds("5"), seeds("auto"), seeds(None)
        (5, 'auto', None)
    """
    if text is None or text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number of seeds, or auto; got {text!r}.") from None


def integers(text: str) -> tuple[int, ...]:
    """Integers separated by commas.

    Example:
        >>> integers("256,128")
        (256, 128)
    """
    return _several(text, int, "integers separated by commas, such as 256 or 256,128")


def rates(text: str) -> tuple[float, ...]:
    """Rates separated by commas; whether each is one is for the law to say."""
    return _several(text, float, "rates in [0, 1] separated by commas, such as 0.5 or 0.2,0.5")


def _several(text: Any, number: Callable[[str], Number], expected: str) -> tuple[Number, ...]:
    if not isinstance(text, str):  # a default, already parsed
        return tuple(text)
    try:
        return tuple(number(word) for word in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"expected {expected}; got {text!r}.") from None
