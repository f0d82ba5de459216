"""The catalogue names what is there, and nothing else."""

import importlib
import inspect
from pathlib import Path

import pytest

import thinned
from thinned.methods.page import page
from thinned.methods.spatial import position_axes

ENTRIES = thinned.catalogue()


class TestCatalogue:
    """`thinned.catalogue`."""

    def test_names_each_method_once(self):
        """A name is a class, a file's stem and a command-line argument."""
        names = [entry.name for entry in ENTRIES]

        assert sorted(set(names)) == sorted(names)

    @pytest.mark.parametrize(
        ("entry", "layer"),
        [(entry, layer) for entry in ENTRIES for layer in entry.layers],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_is_kept_by_every_framework_it_names(self, entry, layer):
        """The front end has the class, and its documentation links the paper."""
        module, _, name = f"thinned.{layer}".rpartition(".")
        if layer.startswith("mxnet."):
            pytest.importorskip("mxnet", reason="mxnet has an environment of its own: make test-mxnet")

        assert entry.paper.link in inspect.getdoc(getattr(importlib.import_module(module), name))

    def test_frameworks_are_those_of_its_layers(self):
        """Each by the name of its front end."""
        assert ("torch", "keras") == thinned.catalogue()[1].frameworks


class TestPositionAxes:
    """`position_axes`, as PyTorch reads shapes."""

    @pytest.mark.parametrize(
        ("axes", "positions", "expected"),
        [(3, 1, (2,)), (2, 1, (1,)), (4, 2, (2, 3)), (3, 2, (2,)), (5, 3, (2, 3, 4)), (4, 3, (1, 2, 3))],
    )
    def test_are_those_behind_the_channel(self, axes, positions, expected):
        """One draw is shared along them."""
        assert expected == position_axes(axes, positions)


class TestPage:
    """`docs/catalogue.md`."""

    def test_is_what_the_catalogue_says_today(self):
        """`python -m thinned.methods.page > docs/catalogue.md` writes it anew."""
        committed = Path(thinned.__file__).parents[2] / "docs" / "catalogue.md"

        assert page(ENTRIES) == committed.read_text(encoding="utf-8")
