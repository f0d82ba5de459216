"""The table of sites, and names that the user sets."""

import math

import pytest
import torch
from torch import nn

import thinned
import thinned.torch
from thinned.errors import AddressError, BindError
from thinned.mask import keep
from thinned.mask.address import site_id


class Twice(nn.Module):
    """One layer used twice, one that shares a channel's draw."""

    def __init__(self):
        super().__init__()
        self.drop = thinned.torch.Dropout(0.25)
        self.conv = nn.Sequential(thinned.torch.Dropout2d(0.5))

    def forward(self, x):
        """Axes (sample, channel, row, column)."""
        return self.conv(self.drop(self.drop(x)))


class TestSites:
    """`thinned.sites`."""

    def test_every_use_has_a_line(self):
        """Name, id and rate; mask shapes have 1 on shared axes; the second use has a name of its own."""
        table = thinned.sites(Twice(), torch.ones(2, 3, 4, 4))

        assert [(line.name, line.rate, line.mask_shape) for line in table] == [
            ("drop", 0.25, (2, 3, 4, 4)),
            ("drop#1", 0.25, (2, 3, 4, 4)),
            ("conv.0", 0.5, (2, 3, 1, 1)),
        ]
        assert [line.id for line in table] == [site_id(line.name) for line in table]

    def test_it_takes_no_step_and_leaves_modes_alone(self):
        """The masks after it are those without it."""
        model = thinned.torch.bind(Twice(), seed=0).train()
        model.conv.eval()
        thinned.sites(model, torch.ones(2, 3, 4, 4))

        assert (model.training, model.conv.training, model.drop.training) == (True, False, True)
        assert 0 == model.state_dict()["thinned.address"][1]

    def test_without_inputs_shapes_are_unknown(self):
        """And repeated uses too."""
        assert [(line.name, line.mask_shape) for line in thinned.sites(Twice())] == [
            ("drop", None),
            ("conv.0", None),
        ]

    def test_a_layer_called_by_keyword(self):
        """As `layer(input=x)`."""

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.drop = thinned.torch.Dropout(0.5)

            def forward(self, x):
                return self.drop(input=x)

        assert (2, 3) == thinned.sites(Net(), torch.ones(2, 3))[0].mask_shape

    def test_a_bound_model_shows_its_own_sites(self):
        """Not what a layer was told afterwards."""
        model = thinned.torch.bind(nn.Sequential(thinned.torch.Dropout(0.5)), 0)
        model[0].site = "later"

        assert "0" == thinned.sites(model)[0].name

    def test_each_part_has_its_rate(self):
        """The memory cell of an LSTM is zoned out at a rate of its own."""
        layer = thinned.torch.Zoneout(nn.LSTMCell(4, 3), 0.05, 0.5)

        for inputs in ((), (torch.ones(2, 1, 4),)):
            assert [line.rate for line in thinned.sites(nn.Sequential(layer), *inputs)] == [0.05, 0.5]

    def test_a_packed_sequence(self):
        """It is an input like any other."""
        packed = nn.utils.rnn.pack_sequence([torch.ones(5, 4), torch.ones(3, 4)])
        (line,) = thinned.sites(nn.Sequential(thinned.torch.WeightDrop(nn.LSTM(4, 3), 0.5)), packed)

        assert (line.name, line.mask_shape) == ("0/weight_hh_l0", (12, 3))

    def test_a_rate_that_no_one_knows(self):
        """A learned rate has no value on the meta device."""
        with torch.device("meta"):
            model = nn.Sequential(thinned.torch.ConcreteDropout(nn.Linear(4, 3)))

        (line,) = thinned.sites(model)
        assert math.isnan(line.rate)

    def test_what_is_no_model_is_refused(self):
        """With its type."""
        with pytest.raises(TypeError, match=r"expected a model of .*; got an object of type builtins\.int"):
            thinned.sites(3)


class TestSiteNames:
    """`Dropout(site=...)`."""

    def test_a_given_name_is_the_site(self):
        """Wherever the layer stands."""
        layer = thinned.torch.Dropout(0.5, site="fc1.drop")
        model = thinned.torch.bind(nn.Sequential(nn.Identity(), layer), seed=3)
        expected = keep((4, 8), 0.5, seed=3, site="fc1.drop")

        assert expected.tolist() == (model(torch.ones(4, 8)) != 0).tolist()
        assert "fc1.drop" in repr(layer)

    @pytest.mark.parametrize(
        ("first", "second", "message"), [("a", "a", "'a' twice"), ("1", None, "'1' twice")]
    )
    def test_two_layers_with_one_site_are_refused(self, first, second, message):
        """Named by hand, or one by hand and one by its place; the old binding stays."""
        layers = [thinned.torch.Dropout(0.5, site=site) for site in (first, second)]
        model = nn.Sequential(*layers)

        with pytest.raises(BindError, match=message):
            thinned.torch.bind(model, seed=0)

    def test_a_name_like_another_use_is_refused(self):
        """`drop#1` is the second use of `drop`."""
        with pytest.raises(BindError, match="name#k; got 'drop#1'"):
            thinned.torch.bind(nn.Sequential(thinned.torch.Dropout(0.5, site="drop#1")), seed=0)

    def test_a_site_is_a_name(self):
        """A number is refused where the layer is made; the empty name is one."""
        with pytest.raises(AddressError, match="as a name; got 5"):
            thinned.torch.Dropout(0.5, site=5)
        model = thinned.torch.bind(nn.Sequential(thinned.torch.Dropout(0.5, site="")), seed=0)

        assert "" == thinned.sites(model)[0].name

    def test_two_names_with_one_number_are_refused(self):
        """Two names of one 32-bit number, found by trying: they would draw alike."""
        assert site_id("a104074") == site_id("a109178")
        layers = [thinned.torch.Dropout(0.5, site=site) for site in ("a104074", "a109178")]

        with pytest.raises(BindError, match="both"):
            thinned.torch.bind(nn.Sequential(*layers), seed=0)
