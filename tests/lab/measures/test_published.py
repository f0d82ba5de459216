"""The published notebook's network and its tests."""

import math
from statistics import NormalDist

import pytest
import torch

from tests.bounds import stray_of_share
from tests.lab.measures.small import SEED, context, examples, settings
from thinned.errors import ConfigurationError
from thinned.lab.measures.published import measure
from thinned.lab.models import network
from thinned.lab.published import mistaken, published

CONNECT = {"method": "DropConnectLinear"}


def made(**changes):
    """A network of the notebook, in training mode."""
    configuration = settings(**({"model": "published", "rates": (0.5, 0.5)} | changes))
    return published((6,), 3, configuration, SEED), configuration


class TestMistakes:
    """What each switch does."""

    def test_randn_drops_by_the_normal_distribution(self):
        """At 0.5 it drops 0.69, scales by 2, and leaves 0.62 of the expectation."""
        dropped, factor = mistaken(0.5, {"mask": "randn", "scale": True})

        assert math.isclose(NormalDist().cdf(0.5), dropped)
        assert math.isclose(2 * (1 - dropped), factor, rel_tol=1e-4)  # the law has multiples of 2^-16

    def test_that_is_what_randn_does(self):
        """The notebook's expression, drawn a million times: the share kept, within Bernstein's bound."""
        kept = (torch.randn(1_000_000, generator=torch.Generator().manual_seed(0)) > 0.5).double().mean()

        assert abs(float(kept) - (1 - NormalDist().cdf(0.5))) < stray_of_share(1_000_000, 0.31)

    @pytest.mark.parametrize("mask", ["uniform", "randn"])
    def test_what_is_kept_is_multiplied_by_one_over_one_minus_p(self, mask):
        """By 2 at p = 0.5, with either mask; in evaluation by 1."""
        model, _ = made(method_args={"mask": mask})
        seen = []
        model.drop1.register_forward_hook(lambda _, given, output: seen.append((given[0], output)))
        model(torch.rand(20, 6))
        model.eval()(torch.rand(20, 6))
        (before, after), (still, same) = seen

        assert torch.allclose(2 * before[after != 0], after[after != 0])
        assert torch.equal(still, same)

    def test_without_a_scale_what_is_kept_stays(self):
        """The stochastic ReLU: multiplied by a mask of 0 and 1."""
        model, _ = made(method_args={"scale": False})
        seen = []
        model.drop1.register_forward_hook(lambda _, given, output: seen.append((given[0], output)))
        model(torch.rand(20, 6))
        before, after = seen[0]

        assert torch.allclose(before[after != 0], after[after != 0])
        assert (after[before > 0] == 0).any()

    def test_drop_connect_drops_weights_and_no_bias(self):
        """One mask for the batch: equal examples stay equal, the bias is whole."""
        model, _ = made(**CONNECT, method_args={"mask": "randn", "initial": "pytorch"})
        bias = model.fc1.layer.bias.detach()
        zeros = []
        model.fc1.register_forward_hook(lambda _, given, output: zeros.append(output))
        model(torch.zeros(3, 6))
        model(torch.ones(3, 6))

        assert torch.allclose(bias.expand(3, -1), zeros[0])
        assert torch.allclose(zeros[1][0], zeros[1][1])
        whole = torch.nn.functional.linear(torch.ones(1, 6), model.fc1.layer.weight, bias)
        assert not torch.allclose(whole, zeros[1][:1])

    def test_pytorchs_initial_weights_lie_within_its_bound(self):
        """Uniform in +-1 / sqrt(inputs), biases too; the same for equal seeds."""
        model, configuration = made(method_args={"initial": "pytorch"})
        again = network((6,), 3, configuration, SEED).module

        for name in ("fc1", "fc2", "out"):
            layer = model.get_submodule(name)
            bound = 1 / math.sqrt(layer.in_features)
            assert 0 < layer.bias.abs().max() <= bound
            assert layer.weight.abs().max() <= bound
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"method_args": {"mask": "bernoulli"}}, "expected for model published the switches"),
            ({"method_args": {"mistake": True}}, "expected for model published the switches"),
            ({"method": "GaussianDropout"}, "Dropout or DropConnectLinear; got GaussianDropout"),
        ],
    )
    def test_other_switches_are_refused(self, changes, message):
        """None is passed over."""
        with pytest.raises(ConfigurationError, match=message):
            made(**changes)


class TestMeasure:
    """The notebook's way to test, and the right one."""

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, 1.0),
            ({"method_args": {"mask": "randn"}}, 0.617),
            ({"method_args": {"scale": False}}, 0.5),
            ({**CONNECT, "method_args": {"mask": "randn"}}, 0.617),
            ({"rates": (0.0, 0.0)}, 1.0),
        ],
    )
    def test_what_is_handed_on(self, changes, expected):
        """The expectation in training over the value in evaluation, of many units."""
        model, configuration = made(hidden=(200, 8), **changes)
        found = measure(model.eval(), examples(400), context(configuration))

        assert math.isclose(expected, found["handed_on"], rel_tol=0.05)

    def test_pixels_and_scale(self):
        """Accuracies of the network on inputs 255 times as large, and with what is handed on scaled."""
        model, configuration = made(method_args={"scale": False, "initial": "pytorch"})
        data = examples(100)
        model.eval()

        def right(x, scale):
            hidden = torch.relu(model.fc1(x)) * scale
            hidden = torch.relu(model.fc2(hidden)) * scale
            return float((model.out(hidden).argmax(1) == data.test_y).double().mean())

        found = measure(model, data, context(configuration))

        assert right(255 * data.test_x, 1.0) == found["pixels_accuracy"]
        assert right(data.test_x, 0.5) == found["scaled_accuracy"]
        assert right(255 * data.test_x, 0.5) == found["pixels_scaled_accuracy"]
