"""Optional dependencies, imported when they are first needed; absent or too old, an error says what to do."""

import importlib
import re
from typing import Any

from thinned.errors import MissingExtraError


def need(module: str, extra: str, minimum: str = "") -> Any:
    """Import a module that one of our extras installs.

    Args:
        module: its import name.
        extra: whose `pip install 'thinned[extra]'` brings it.
        minimum: the oldest version that will do, as its numbers with dots; none by default.

    Raises:
        MissingExtraError: it is not installed, or it is older.

    Example:
        >>> need("json", "lab").dumps([1])
        '[1]'
        >>> need("numpy", "jax", "99.0")
        Traceback (most recent call last):
        thinned.errors.MissingExtraError: expected numpy 99.0 or newer; got ... Run: pip install --upgrade ...
    """
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A broken installation is another matter: what is missing there is not what the extra brings.
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"expected the package that holds {module!r}; got none installed. Run: pip install 'thinned[{extra}]'"
        ) from error
    if minimum and _numbers(found.__version__) < _numbers(minimum):
        raise MissingExtraError(
            f"expected {module} {minimum} or newer; got {found.__version__}. Run: pip install --upgrade "
            f"'thinned[{extra}]'"
        )
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))
