"""Loads a model to audit from what stands on the command line: `mymodel.py:make` or `package.module:make`."""

import importlib
import importlib.util
import random
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from thinned.diagnosis.inputs import SEED
from thinned.errors import AuditError


class Subject(NamedTuple):
    """A model, the input that came with it, and the file that made it."""

    model: Any
    example_input: Any
    file: str | None


def load(text: str) -> Subject:
    """Run a factory, and take what it makes.

    Args:
        text: a file or a module, a colon, and the name of a model, of a class of models that needs no arguments,
            or of a function that returns a model or `(model, example_input)`.

    Raises:
        AuditError: no such file, module or name, or it raised, or it made no model.
    """
    where, colon, name = text.rpartition(":")
    if not colon or not where or not name:
        raise AuditError(
            f"expected a file or a module and a name, such as mymodel.py:make or package.models:make; got {text!r}."
        )
    module = _module(where)
    try:
        thing = getattr(module, name)
    except AttributeError:
        raise AuditError(f"expected {where} to have the name {name!r}; it has none.") from None
    made = _made(thing, text)
    example = None
    if isinstance(made, tuple) and len(made) == 2:
        made, example = made
    return Subject(made, example, getattr(module, "__file__", None))


def _module(where: str) -> Any:
    folder = str(Path.cwd())
    if where.endswith(".py"):
        path = Path(where)
        if not path.is_file():
            raise AuditError(f"expected a Python file; {where} does not exist.")
        folder = str(path.resolve().parent)
        where = path.stem
        spec = importlib.util.spec_from_file_location(f"_audited_{where}", path.resolve())
    else:
        spec = None
    if folder not in sys.path:  # so that the file may import what lies beside it, as where it is run
        sys.path.insert(0, folder)
    try:
        if spec is None or spec.loader is None:
            return importlib.import_module(where)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    except Exception as error:
        raise AuditError(
            f"expected {where} to be importable; it raised {type(error).__name__}: {error}."
        ) from error
    return module


def _seed() -> None:
    """So that a model that is made anew has the same weights each time, and the audit says the same."""
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - the generator that models use
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(SEED)


def _made(thing: Any, text: str) -> Any:
    packages = {base.__module__.partition(".")[0] for base in type(thing).__mro__}
    if not callable(thing) or (packages & {"torch", "flax", "keras"} and not isinstance(thing, type)):
        return thing
    noting: Any = nullcontext()
    _seed()
    if "torch" in sys.modules:
        from thinned.diagnosis.frames import noting_constructions

        noting = noting_constructions()
    try:
        with noting:
            return thing()
    except Exception as error:
        raise AuditError(
            f"expected {text} to make a model when called without arguments; it raised "
            f"{type(error).__name__}: {error}."
        ) from error
