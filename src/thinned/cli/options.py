"""How words of the command line become values; what cannot become one is a usage error."""

from collections.abc import Callable
from typing import Any, TypeVar

import typer

Number = TypeVar("Number", int, float)


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
