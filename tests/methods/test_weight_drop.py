"""WeightDrop as a row of the table: which weights, and their moments."""

import pytest
import torch

from thinned.errors import ConfigurationError
from thinned.methods import dropout, weight_drop
from thinned.methods.weight_drop import recurrent_weights


class TestRecurrentWeights:
    """`recurrent_weights`."""

    @pytest.mark.parametrize("cls", [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM])
    def test_are_all_from_hidden_to_hidden(self, cls):
        """Of each layer and direction; neither biases nor projections."""
        names = [name for name, _ in cls(3, 4, num_layers=2, bidirectional=True).named_parameters()]

        assert recurrent_weights(names) == (
            "weight_hh_l0",
            "weight_hh_l0_reverse",
            "weight_hh_l1",
            "weight_hh_l1_reverse",
        )

    def test_may_be_chosen(self):
        """Each once, in the order given."""
        names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"]

        assert ("bias_ih_l0", "weight_ih_l0") == recurrent_weights(names, ["bias_ih_l0", "weight_ih_l0"] * 2)

    @pytest.mark.parametrize("chosen", [["weight"], []])
    def test_must_be_there(self, chosen):
        """One at least."""
        with pytest.raises(ConfigurationError, match="expected weights among weight_hh_l0; got"):
            recurrent_weights(["weight_hh_l0"], chosen)


class TestMoments:
    """`moments`."""

    def test_are_those_of_dropout(self):
        """Of the weights."""
        assert weight_drop.ENTRY.moments is dropout.moments
