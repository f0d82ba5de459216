"""Averages of thinned networks."""

import itertools
import math

import pytest
import torch

from tests.bounds import stray
from tests.lab.measures.small import context, examples, model, settings
from thinned.lab.measures import averages
from thinned.lab.measures.averages import every, measure
from thinned.lab.measures.hidden import has_dropout


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    """A tenth of the draws, which is as good for what is tested here."""
    monkeypatch.setattr(averages, "SAMPLES", (1, 10, 100))


@pytest.fixture(scope="module")
def two_layers():
    """What is measured of a network of two thinned layers, by a hundred draws and by all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(averages, "SAMPLES", (1, 10, 100))
        return measure(model(settings()), examples(), context(settings()))


def by_hand(made, x, rates):
    """Both means over all networks, one mask after another: (arithmetic, geometric) probabilities."""
    arithmetic = geometric = 0.0
    for bits in itertools.product((0, 1), repeat=7):
        chance = math.prod(
            (1 - rate if bit else rate)
            for bit, rate in zip(bits, (rates[0],) * 4 + (rates[1],) * 3, strict=True)
        )
        hidden = torch.relu(made.fc1(x)).double() * torch.tensor(bits[:4]) / (1 - rates[0])
        hidden = torch.relu(hidden @ made.fc2.weight.double().T + made.fc2.bias.double())
        hidden = hidden * torch.tensor(bits[4:]) / (1 - rates[1])
        log_p = (hidden @ made.out.weight.double().T + made.out.bias.double()).log_softmax(1)
        arithmetic = arithmetic + chance * log_p.exp()
        geometric = geometric + chance * log_p
    return arithmetic.detach(), geometric.softmax(1).detach()


class TestEvery:
    """All 2^n thinned networks."""

    def test_it_is_the_sum_over_masks_by_the_laws_chances(self):
        """Two layers at rates 0.25 and 0.5, 128 networks."""
        configuration = settings()
        made, x = model(configuration), examples().test_x
        arithmetic, geometric = every(made, x, context(configuration))
        expected = by_hand(made, x, (0.25, 0.5))

        assert torch.allclose(expected[0], arithmetic.exp(), rtol=1e-5)
        assert torch.allclose(expected[1], geometric.exp(), rtol=1e-5)

    def test_one_thinned_layer_is_the_single_pass(self):
        """The geometric mean over all networks is the network with all units, to the rounding of a float32 pass."""
        configuration = settings(hidden=(6,), rates=(0.5,))
        made, x = model(configuration), examples().test_x
        # Each sum of 6 products and a bias errs by at most 7 eps of the sum of their sizes, here in two layers.
        hidden = x @ made.fc1.weight.abs().T + made.fc1.bias.abs()
        size = (hidden @ made.out.weight.abs().T + made.out.bias.abs()).max().item()

        found = measure(made, examples(), context(configuration))
        assert found["all_scaling"] <= 2 * 14 * torch.finfo(torch.float32).eps * size

    def test_two_thinned_layers_are_not(self, two_layers):
        """Between them stands a rectifier."""
        assert two_layers["all_scaling"] > 1e-4

    def test_the_first_layer_may_be_left_alone(self):
        """Only layers with a rate have masks."""
        configuration = settings(rates=(0.0, 0.5))
        found = measure(model(configuration), examples(), context(configuration))

        assert found["all_scaling"] < 1e-4


class TestMeasure:
    """Of sampled networks."""

    def test_samples_come_near_all_networks(self, two_layers):
        """Nearer the more there are; at the end within Bernstein's bound for a probability."""
        errors = [two_layers[f"sampled_error[{i}]"] for i in range(3)]

        assert errors[2] < stray(100, 0.25, 1.0)
        assert errors[2] < errors[1] < errors[0]

    def test_one_sample_is_an_average_of_one(self, two_layers):
        """Arithmetic and geometric mean of one network are that network."""
        assert math.isclose(two_layers["arithmetic_loss[0]"], two_layers["geometric_loss[0]"])

    def test_the_mean_of_probabilities_has_at_most_the_mean_loss(self, two_layers):
        """Jensen's inequality: averaging never costs against a single thinned network."""
        assert two_layers["arithmetic_loss[2]"] <= two_layers["single_loss"]

    def test_a_network_without_dropout_has_nothing_to_average(self):
        """And says nothing, and no zero that would read as certainty."""
        configuration = settings(rates=(0.0, 0.0))

        assert not has_dropout(model(configuration))
        assert {} == measure(model(configuration), examples(), context(configuration))

    @pytest.mark.parametrize("hidden", [(10, 10)])
    def test_large_networks_are_sampled_alone(self, hidden):
        """2^20 networks are not run."""
        configuration = settings(hidden=hidden)
        found = measure(model(configuration), examples(4), context(configuration))

        assert not any(name.startswith(("all_", "sampled")) for name in found)
