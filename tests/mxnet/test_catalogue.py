"""The catalogue's classes of this front end; `tests/methods` has those of the others."""

import inspect

import thinned
import thinned.mxnet


class TestCatalogue:
    """`thinned.catalogue`."""

    def test_its_classes_are_here(self):
        """With the paper in their documentation."""
        found = [
            (entry, layer.removeprefix("mxnet."))
            for entry in thinned.catalogue()
            for layer in entry.layers
            if layer.startswith("mxnet.")
        ]

        assert ["Dropout"] == [name for _, name in found]
        for entry, name in found:
            assert entry.paper.link in inspect.getdoc(getattr(thinned.mxnet, name))
