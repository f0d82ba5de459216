"""What importing the JAX and Flax front ends brings, and what they say of a framework that is not there or old."""

import pytest

from tests.architecture.test_imports import brought
from tests.subprocesses import python


@pytest.mark.parametrize(
    ("statement", "expected"),
    [("import thinned.jax", {"jax"}), ("import thinned.flax", {"jax", "flax"})],
    ids=["jax", "flax"],
)
def test_no_other_framework(statement, expected):
    """JAX brings SciPy where it is installed; the compiler waits for a program."""
    assert expected == set(brought(statement)) - {"scipy"}


@pytest.mark.parametrize(("room", "absent"), [("jax", "jax"), ("flax", "jax"), ("flax", "flax")])
def test_absent(room, absent):
    """The extra is named."""
    python(f"""
        import sys
        sys.modules["{absent}"] = None
        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "{absent}":
                    raise ModuleNotFoundError(name, name=name)
        del sys.modules["{absent}"]
        sys.meta_path.insert(0, Finder())
        try:
            import thinned.{room}
        except ImportError as error:
            assert "pip install 'thinned[{room}]'" in str(error), error
        else:
            raise AssertionError
    """)


@pytest.mark.parametrize(("room", "old", "minimum"), [("jax", "jax", "0.6"), ("flax", "flax", "0.11")])
def test_too_old(room, old, minimum):
    """So is the version."""
    python(f"""
        import {old}
        {old}.__version__ = "0.4.1"
        try:
            import thinned.{room}
        except ImportError as error:
            assert "expected {old} {minimum} or newer; got 0.4.1" in str(error), error
        else:
            raise AssertionError
    """)
