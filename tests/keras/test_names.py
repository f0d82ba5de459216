"""The names of sites."""

import keras
import numpy as np
import pytest

import thinned
import thinned.keras as tk
from tests.keras.models import Block, K, Tower, mlp, ones
from tests.keras.test_loops import Cell


class Block_1(Block):  # noqa: N801  the number is the point
    """A class whose name ends like one that Keras made up."""


def names(model, *inputs):
    """Of its sites."""
    return [site.name for site in tk.sites(model, *inputs)]


def graph(named=None):
    """Automatic names, at the top and inside, and one that the user gave."""
    inputs = keras.Input((4,))
    shared = tk.layers.Dropout(0.5)
    x = shared(tk.layers.Dropout(0.5)(K.Dense(4)(inputs)))
    x = keras.Sequential([tk.layers.Dropout(0.5), tk.layers.SpatialDropout1D(0.5)][:1])(x)
    x = keras.Sequential([tk.layers.Dropout(0.5, name="mine"), tk.layers.Dropout(0.5)], name="block")(x)
    return keras.Model(inputs, tk.layers.Dropout(0.5, name=named)(shared(x)))


GRAPH = [
    "dropout",
    "dropout_1",
    "sequential.dropout",
    "block.mine",
    "block.dropout",
    "dropout_1#1",
    "dropout_2",
]


class TestNames:
    """Paths of layers' names, with dots."""

    def test_of_a_graph(self):
        """Names that Keras made up count within their model."""
        assert GRAPH == names(graph())

    def test_earlier_models_do_not_count(self):
        """The third model of a process is the first of another."""
        graph()
        mlp()

        assert GRAPH == names(graph()) == names(graph())

    def test_saved_and_loaded(self, tmp_path):
        """A loaded model has the names of the one that was saved, bound or not."""
        graph()
        for bound in (False, True):
            model = graph()
            if bound:
                tk.bind(model, 0)
            model.save(tmp_path / "model.keras")
            loaded = keras.saving.load_model(tmp_path / "model.keras")

            assert GRAPH == names(loaded)

    def test_names_like_automatic_ones(self):
        """That a user gave are kept, and automatic ones go around them."""
        K.Dropout(0.5), K.Dropout(0.5)  # so that Keras' own names go on behind the user's
        model = keras.Sequential(
            [tk.layers.Dropout(0.5, name="dropout_1"), tk.layers.Dropout(0.5), tk.layers.Dropout(0.5)]
        )

        assert ["dropout_1", "dropout", "dropout_2"] == names(model)

    def test_converted(self):
        """Keras' own layers do not say who named them: what looks automatic counts as such, model by model."""
        for _ in range(2):
            model = keras.Sequential([K.Dropout(0.5), K.Dropout(0.5), K.Dropout(0.5, name="mine")])
            tk.convert(model)

            assert ["dropout", "dropout_1", "mine"] == names(model)

    def test_of_a_subclassed_model(self):
        """Attributes, as in PyTorch; names that the user gave, before them."""
        Tower()
        model = Tower()
        model(ones(2, 8))
        tk.convert(model)

        assert ["first", "blocks.0.drop", "second.drop", "attention._dropout_layer"] == names(model)

    def test_of_a_layer_alone(self):
        """It has none."""
        assert [""] == names(tk.layers.Dropout(0.5))

    def test_as_in_torch(self):
        """The same architecture with the same names has the same sites."""
        torch = pytest.importorskip("torch")
        import thinned.torch as tt

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.block = torch.nn.ModuleDict({"drop": tt.Dropout(0.5)})
                self.drop2 = tt.Dropout(0.25)

        ours = keras.Sequential(
            [
                keras.Sequential([tk.layers.Dropout(0.5, name="drop")], name="block"),
                tk.layers.Dropout(0.25, name="drop2"),
            ]
        )

        assert [site.id for site in tt.sites(Net())] == [site.id for site in tk.sites(ours)]

    def test_of_both_directions(self):
        """Are attributes too: Keras puts `forward_` before a name that it made up."""
        for _ in range(2):
            model = keras.Sequential([K.Bidirectional(K.RNN(Cell(), return_sequences=True))])
            named = keras.Sequential([K.Bidirectional(K.RNN(Cell(), name="mine"))])

            assert [f"bidirectional.{way}_layer.cell.drop" for way in ("forward", "backward")] == names(model)
            assert [f"bidirectional.{way}_mine.cell.drop" for way in ("forward", "backward")] == names(named)

    def test_of_classes_with_numbers(self):
        """Count from the class's whole name."""
        for _ in range(2):
            assert ["block_1.drop", "block_1_1.drop"] == names(keras.Sequential([Block_1(), Block_1()]))


class TestTable:
    """`sites`."""

    def test_shapes(self):
        """A graph knows them but for the batch; a call knows them all, and takes no step."""
        model = mlp()
        tk.bind(model, 0)
        one, two = tk.sites(model), thinned.sites(model, ones(3, 8))

        assert [(None, 16), (None, 16)] == [site.mask_shape for site in one]
        assert [(3, 16), (3, 16)] == [site.mask_shape for site in two]
        assert [0.25, 0.5] == [site.rate for site in two]
        assert 0 == model._thinned_address.step

    def test_shared_axes(self):
        """Have size 1."""
        model = keras.Sequential([keras.Input((5, 3)), tk.layers.SpatialDropout1D(0.5)])

        assert [(None, 1, 3)] == [site.mask_shape for site in tk.sites(model)]

    def test_unknown(self):
        """Without a graph and without inputs."""
        assert [None] == [site.mask_shape for site in tk.sites(keras.Sequential([tk.layers.Dropout(0.5)]))]

    def test_nothing_is_left_behind(self):
        """A model is as it was when its table was made."""
        model = tk.bind(mlp(), 0)
        tk.sites(model, ones(3, 8))
        y = np.asarray(keras.ops.convert_to_numpy(keras.ops.stop_gradient(model.layers[1](ones(2, 4)))))

        assert (y == 1).all()
