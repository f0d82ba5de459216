"""A thing that a command line names: `package.module:Thing`, or `path/to/file.py:Thing`."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

EXPECTED = "expected package.module:Thing or path/to/file.py:Thing"


def thing(named: str) -> Any:
    """The object that is named; its module is imported, and so run.

    Raises:
        typer.BadParameter: no such module, file or name.

    Example:
        >>> thing("math:sqrt")(9.0)
        3.0
    """
    where, colon, name = named.rpartition(":")
    if not (where and colon and name):
        raise typer.BadParameter(f"{EXPECTED}; got {named!r}.")
    found: Any = _file(Path(where)) if where.endswith(".py") else _module(where)
    for part in name.split("."):
        if not hasattr(found, part):
            raise typer.BadParameter(f"expected {part!r} in {where}; it has no such name.")
        found = getattr(found, part)
    return found


def _module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, and something that it imports is not
        raise typer.BadParameter(f"{EXPECTED}; there is no module {error.name!r} here.") from None


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise typer.BadParameter(f"{EXPECTED}; there is no file {path}.")
    if str(path.parent.resolve()) not in sys.path:
        sys.path.insert(0, str(path.parent.resolve()))  # its neighbours are what it imports
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise typer.BadParameter(f"{EXPECTED}; {path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module
