"""Nested tensors: rows of different lengths, packed."""

import numpy as np
import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.torch.truth import dropped, same
from thinned.errors import DtypeError

ROWS = [torch.ones(3, 4), torch.ones(5, 4)]


def ragged(**options):
    """Two rows, eight elements of four features in all."""
    return torch.nested.nested_tensor(ROWS, layout=torch.jagged, **options)


class TestNested:
    """The mask of a nested tensor is that of its packed values."""

    @pytest.mark.parametrize("seed", [3, torch.tensor(3)], ids=["int", "tensor"])
    def test_function(self, seed):
        """Value and gradient; the rows stay where they were."""
        x = ragged(requires_grad=True)
        y = tt.dropout(x, 0.5, seed=seed, site="a")
        y.values().sum().backward()
        expected = dropped(torch.ones(8, 4), 0.5, seed=3, site="a")

        assert same(expected, y.values())
        assert same(expected, x.grad.values())
        assert x.shape == y.shape

    def test_layers(self):
        """Free, governed by `torch.manual_seed`; bound, by the law; in evaluation untouched."""
        layer, x = tt.Dropout(0.5), ragged()
        found = []
        for _ in range(2):
            torch.manual_seed(0)
            found.append(layer(x).values())
        assert same(*found)
        assert {0.0, 2.0} == set(found[0].flatten().tolist())

        model = tt.bind(nn.Sequential(layer), 3)
        assert same(dropped(torch.ones(8, 4), 0.5, seed=3, site="0"), model(x).values())
        assert model.eval()(x) is x

    def test_a_placed_batch(self):
        """`batch=` counts rows of the batch, which packed values do not have: refused."""
        model = tt.bind(nn.Sequential(tt.Dropout(0.5)), 0, batch=(0, 4, 2))
        with pytest.raises(DtypeError, match="no batch="):
            model(ragged())

    def test_the_table_of_sites(self):
        """Shows the shape of the packed values."""
        (site,) = tt.sites(nn.Sequential(tt.Dropout(0.5)), ragged())

        assert (8, 4) == site.mask_shape

    @pytest.mark.parametrize("options", [{"share": 1}, {"share": np.int64(1)}, {"window": ((9, 9), (0, 0))}])
    def test_what_has_no_meaning(self, options):
        """Shared axes and windows of something that has no rectangular shape."""
        with pytest.raises(DtypeError, match="nested one of layout"):
            tt.dropout(ragged(), 0.5, seed=0, **options)

    @pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")
    def test_the_strided_layout(self):
        """PyTorch's older kind is refused, with what to do."""
        with pytest.raises(DtypeError, match="pad it"):
            tt.dropout(torch.nested.nested_tensor(ROWS, layout=torch.strided), 0.5, seed=0)
