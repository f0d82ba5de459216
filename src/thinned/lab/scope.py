"""How much of a question is asked, and how a record says so."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from thinned.errors import ConfigurationError
from thinned.lab.configuration import Configuration

if TYPE_CHECKING:
    from thinned.lab.own_study import OwnBase

SIZES = ("quick", "full")


class Scope(str):
    """How much of a question is asked: "quick" or "full", with what the arms may depend on besides.

    It is the text itself, so a table of grids is read by `GRIDS[scope]`.

    Args:
        size: "quick" or "full".
        asked: the settings that the user changed, by name, as plain values; the base has them already.
        data: `train_examples, features, classes` of the data.

    Raises:
        ConfigurationError: another size.

    Example:
        >>> {"quick": 2, "full": 7}[Scope("quick")]
        2
    """

    asked: Mapping[str, Any]
    data: Mapping[str, int]

    def __new__(
        cls,
        size: str,
        asked: Mapping[str, Any] = MappingProxyType({}),
        data: Mapping[str, int] = MappingProxyType({}),
    ) -> Self:
        """The text, with its attributes."""
        if size not in SIZES:
            raise ConfigurationError(f"expected a scope, {' or '.join(SIZES)}; got {size!r}.")
        scope = super().__new__(cls, size)
        scope.asked = {name: list(each) if isinstance(each, tuple) else each for name, each in asked.items()}
        scope.data = data
        return scope


def read_design(
    design: Mapping[str, Any], data: Mapping[str, Any]
) -> "tuple[Configuration | OwnBase, Scope]":
    """The base and the scope that `Design.as_json` wrote.

    Args:
        design: of a record.
        data: of the same record.

    Raises:
        ConfigurationError: no such base or scope.
    """
    if "task" in design:
        from thinned.lab.own_study import OwnBase

        return OwnBase.from_json(design), Scope("full")
    about = {name: data[name] for name in ("train_examples", "features", "classes")}
    base = Configuration.from_json(
        {name: value for name, value in design.items() if name not in {"scope", "asked"}}
    )
    return base, Scope(design.get("scope", "full"), design.get("asked", {}), about)
