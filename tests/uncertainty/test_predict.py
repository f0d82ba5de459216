"""Prediction under several masks."""

import itertools
import math

import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.bounds import stray
from thinned.errors import AddressError, BindError
from thinned.mask import keep
from thinned.uncertainty import predict, thinned_outputs

SEED = 5
X = torch.linspace(-1, 1, 12).reshape(4, 3)


def mlp(p=0.5, hidden=6, norm=False):
    """A bound network whose hidden layer is thinned, in evaluation mode."""
    torch.manual_seed(0)
    layers = [nn.Linear(3, hidden), nn.Tanh(), tt.Dropout(p), nn.Linear(hidden, 3)]
    if norm:
        layers.insert(1, nn.BatchNorm1d(hidden))
    return tt.bind(nn.Sequential(*layers), SEED).eval()


def by_hand(model, masks):
    """Probabilities under given masks of the hidden layer at rate 0.5, axes (mask, example, class)."""
    hidden = torch.tanh(model[0](X)).double()
    out = model[3]
    logits = (2 * masks.double() * hidden) @ out.weight.double().T + out.bias.double()
    return logits.softmax(-1).detach()


class TestPredict:
    """Means and variance over thinned networks."""

    def test_the_masks_are_the_laws(self):
        """Network k has the masks of draw `first + k` at the step; mean and variance are theirs."""
        model = mlp()
        masks = [keep((4, 6), 0.5, seed=SEED, site="2", step=3, draw=10 + k) for k in range(7)]
        p = by_hand(model, torch.stack([torch.from_numpy(mask) for mask in masks]))
        found = predict(model, X, samples=7, step=3, first=10)
        geometric = p.log().mean(0).softmax(-1)

        assert 7 == found.samples
        for expected, actual in (
            (p.mean(0), found.mean),
            (p.var(0), found.variance),
            (geometric, found.geometric_mean),
        ):
            assert torch.allclose(expected.float(), actual, rtol=1e-5, atol=1e-7)

    def test_it_comes_near_the_mean_of_all_networks(self):
        """6 units have 64 networks; sampled means lie about their mean as far as Bernstein's bound lets them."""
        model, samples = mlp(), 500
        every = torch.tensor(list(itertools.product((0, 1), repeat=6)))[:, None]
        p = by_hand(model, every)
        found = predict(model, X, samples=samples)
        variance = p.var(0, unbiased=False)
        bounds = torch.tensor([stray(samples, float(each), 1.0) for each in variance.flatten()])

        assert ((p.mean(0) - found.mean).abs().flatten() < bounds).all()

    def test_the_geometric_mean_of_one_thinned_layer_is_the_full_network(self):
        """Logits are linear in the last mask, so over *all* networks it is one pass with all units, exactly."""
        model = mlp()
        every = torch.tensor(list(itertools.product((0, 1), repeat=6)))[:, None]
        over_all = by_hand(model, every).log().mean(0).softmax(-1)

        assert torch.allclose(over_all.float(), model(X).softmax(-1), atol=1e-6)

    def test_it_repeats_bit_for_bit(self):
        """Whatever PyTorch's generator holds, and however often the model was called since."""
        model = mlp()
        first = predict(model, X, samples=5)
        torch.manual_seed(77)
        model.train()(X)
        again = predict(model, X, samples=5)

        assert torch.equal(first.mean, again.mean)
        assert torch.equal(first.variance, again.variance)
        assert not torch.equal(first.mean, predict(model, X, samples=5, step=1).mean)

    def test_the_model_is_left_as_it_was(self):
        """Modes of every module, the step, the statistics of batch normalisation, also after an error."""
        model = mlp(norm=True)
        model[0].train()
        modes = [module.training for module in model.modules()]
        state = {name: value.clone() for name, value in model.state_dict().items()}
        found = predict(model, X, samples=3)
        with pytest.raises(RuntimeError, match="shapes"):
            predict(model, torch.ones(4, 5), samples=3)

        assert modes == [module.training for module in model.modules()]
        assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
        assert not found.mean.requires_grad
        assert torch.is_grad_enabled()

    def test_batch_normalisation_evaluates(self):
        """So one example alone is predicted as among others, but for its rows of the masks."""
        model = mlp(p=2**-16, norm=True)

        assert torch.allclose(predict(model, X, 2).mean[:1], predict(model, X[:1], 2).mean)

    def test_values_are_averaged_as_they_are(self):
        """For regression: no softmax, and no geometric mean."""
        model = mlp()
        outputs = torch.stack(list(thinned_outputs(model, X, 6)))
        found = predict(model, X, samples=6, logits=False)

        assert found.geometric_mean is None
        assert torch.allclose(outputs.mean(0), found.mean)
        assert torch.allclose(outputs.var(0), found.variance)

    def test_a_large_mean_costs_the_variance_no_digits(self):
        """Outputs near 10^4 that differ by one."""
        model = tt.bind(nn.Sequential(tt.Dropout(0.5), nn.Linear(1, 1)), 0).eval()
        with torch.no_grad():
            model[1].weight.fill_(0.5)
            model[1].bias.fill_(1e4)
        variance = predict(model, torch.ones(200, 1), samples=100, logits=False).variance.mean()

        assert math.isclose(0.25, float(variance), rel_tol=0.05)

    def test_one_sample_has_no_variance(self):
        """NaN, and not a zero that would read as certainty."""
        assert predict(mlp(), X, samples=1).variance.isnan().all()

    def test_the_axis_of_the_classes(self):
        """Where they do not come last."""
        model = tt.bind(nn.Sequential(tt.Dropout(0.5)), 0)
        found = predict(model, torch.randn(2, 3, 5), samples=4, axis=1)

        assert torch.allclose(torch.ones(2, 5), found.mean.sum(1))
        assert torch.allclose(torch.ones(2, 5), found.geometric_mean.sum(1))

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_the_dtype_is_the_outputs(self, dtype):
        """Summed wider and rounded once."""
        found = predict(mlp().to(dtype), X.to(dtype), samples=3)

        assert dtype == found.mean.dtype == found.variance.dtype == found.geometric_mean.dtype


class TestRefusals:
    """What would give certainty without a word, or masks without addresses."""

    @pytest.mark.parametrize(
        ("model", "error", "message"),
        [
            (nn.Sequential(tt.Dropout(0.5)), BindError, "expected a bound model, whose thinned networks"),
            (tt.bind(nn.Linear(3, 3), 0), BindError, "expected a model with a layer that draws"),
        ],
    )
    def test_models(self, model, error, message):
        """Free, and without dropout."""
        with pytest.raises(error, match=message):
            predict(model, X)

    def test_dropout_of_pytorchs_own(self):
        """Would stay off, and the variance would miss it."""
        with pytest.warns(UserWarning, match="'1'"):
            model = tt.bind(nn.Sequential(tt.Dropout(0.5), nn.Dropout(0.5)), 0)
        with pytest.raises(BindError, match="PyTorch's own dropout in '1'"):
            predict(model, X)

    @pytest.mark.parametrize(("samples", "first"), [(0, 0), (-1, 0), (1, 65536), (65530, 7), (1, -1)])
    def test_draws_beyond_the_coordinate(self, samples, first):
        """None is wrapped round to a mask that was there before."""
        with pytest.raises(AddressError, match="at least 1 sample, with draws in"):
            predict(mlp(), X, samples=samples, first=first)

    def test_a_model_that_returns_no_tensor(self):
        """Which of its outputs are logits cannot be known."""

        class Pair(nn.Module):
            def __init__(self):
                super().__init__()
                self.drop = tt.Dropout(0.5)

            def forward(self, x):
                return self.drop(x), x

        with pytest.raises(TypeError, match=r"got tuple\. Wrap it"):
            predict(tt.bind(Pair(), 0), X)
