"""Packages of the `lab` extra, imported when they are first needed."""

import importlib
from typing import Any

from thinned.errors import MissingExtraError


def lab_module(name: str) -> Any:
    """Import a module that the `lab` extra installs.

    Raises:
        MissingExtraError: it is not installed; the message says how to install it.

    Example:
        >>> lab_module("json").dumps([1])
        '[1]'
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"expected the package that holds {name!r}; got none installed. Run: pip install 'thinned[lab]'"
        ) from error
