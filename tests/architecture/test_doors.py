"""Each room has one door, and the door says what is behind it."""

import ast
import importlib
from pathlib import Path

import pytest

import thinned

PACKAGE = Path(thinned.__file__).parent
DOORS = [PACKAGE / "errors.py", *sorted(PACKAGE.rglob("__init__.py"))]


def listed(tree):
    """`__all__` as it is written, or None."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    return None


def defined(tree):
    """Public names that a module makes its own: definitions, assignments, and `import x as x`."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.name for alias in node.names if alias.asname == alias.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def difference(source):
    """What `__all__` and the module's public names do not have in common."""
    tree = ast.parse(source)
    public = {name for name in defined(tree) if not name.startswith("_") or name == "__version__"}
    return public ^ set(listed(tree) or [])


class TestDoors:
    """`__init__.py` of every room, and `errors.py`."""

    @pytest.mark.parametrize("door", DOORS, ids=lambda door: door.relative_to(PACKAGE).as_posix())
    def test_all_is_what_is_defined(self, door):
        """Nothing public is unlisted, and nothing listed is absent; names served lazily count as listed."""
        source = door.read_text(encoding="utf-8")
        lazy = _lazy(source)

        assert difference(source) - lazy == set()

    @pytest.mark.parametrize("name", ["thinned", "thinned.mask", "thinned.errors", "thinned.kernels"])
    def test_listed_names_exist(self, name):
        """Each of the core's names can be had, once, in order."""
        module = importlib.import_module(name)
        names = getattr(module, "__all__", [])

        assert sorted(set(names)) == sorted(names)
        assert all(hasattr(module, each) for each in names)

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("from a import b as b\n__all__ = ['b']", set()),
            ("from a import b as b, c as c\n__all__ = ['b']", {"c"}),
            ("from a import b\n__all__ = ['b']", {"b"}),
            ("def f(): ...\nclass _C: ...\nX = 1\n_Y: int = 2", {"f", "X"}),
            ("__version__ = '1'", {"__version__"}),
            ("__all__ = ['gone']", {"gone"}),
        ],
    )
    def test_the_check_can_fail(self, source, expected):
        """Unlisted and absent names are both seen."""
        assert expected == difference(source)


def _lazy(source):
    """Text constants of a module-level `__getattr__` and its table: names that it serves when asked."""
    tree = ast.parse(source)
    if not any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body):
        return set()
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
