"""Noise on the inputs, its second order, and ridge."""

import math

import pytest
import torch
from torch import nn

from tests.lab.measures.small import SEED, context, examples, model, settings
from thinned.errors import ConfigurationError
from thinned.lab.measures.input_noise import growth, linear, measure, ridge, spread, squared_error
from thinned.lab.tikhonov import Penalised, sensitivity
from thinned.torch import Dropout, bind

PLAIN = {"rates": (0.0, 0.0)}


class TestLinear:
    """The identity for a linear model and squared error."""

    def test_noise_of_exact_covariance_is_ridge_to_rounding(self):
        """Losses and least weights, in float64: a few hundred roundings of 1.1e-16, and a condition number."""
        found = linear(examples(60), 0.3, SEED)

        assert found["linear_loss"] < 1e-13
        assert found["linear_weights"] < 1e-11

    def test_the_spread_has_mean_zero_and_covariance_s2(self):
        """For each example: 2 d points."""
        x = torch.tensor([[0.5, -1.0, 2.0]], dtype=torch.float64)
        off = spread(x, 0.2) - x

        assert torch.allclose(torch.zeros(3, dtype=torch.float64), off.mean(0), atol=1e-15)
        assert torch.allclose(0.04 * torch.eye(3, dtype=torch.float64), off.T @ off / len(off), atol=1e-15)

    def test_ridge_is_where_the_penalised_loss_is_least(self):
        """Its gradient is 0 there."""
        data = examples(30)
        x, y = data.train_x.double(), nn.functional.one_hot(data.train_y).double()
        weights = ridge(x, y, 0.3).requires_grad_()
        (squared_error(x, y, weights) + 0.09 * weights.square().sum()).backward()

        assert float(weights.grad.abs().max()) < 1e-14

    def test_another_penalty_would_be_seen(self):
        """Half the noise leads to other weights by far more than rounding."""
        data = examples(30)
        x, y = data.train_x.double(), nn.functional.one_hot(data.train_y).double()

        assert float((ridge(x, y, 0.3) - ridge(x, y, 0.15)).abs().max()) > 1e-3


class TestSensitivity:
    """The trace of the penalty."""

    def test_it_is_the_trace_of_the_gauss_newton_matrix(self):
        """The trace of J^T (diag(p) - p p^T) J, from the Jacobian written out."""
        made = model(settings(**PLAIN, activation="tanh"), scale=10).double()
        x = examples(5).train_x.double()
        jacobians = torch.func.vmap(torch.func.jacrev(made))(x)
        p = made(x).softmax(1)
        middle = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
        expected = torch.einsum("bci,bcd,bdi->b", jacobians, middle, jacobians)

        assert torch.allclose(expected, sensitivity(made, x))

    def test_between_kinks_it_is_the_whole_hessian(self):
        """A network of ReLUs is linear there, so its loss bends by the penalty alone, whatever the labels are."""
        made = model(settings(**PLAIN), scale=10).double()
        x, y = examples(5).train_x.double(), examples(5).train_y

        def loss(one, label):
            return nn.functional.cross_entropy(made(one[None]), label[None])

        traces = [
            float(torch.func.jacrev(torch.func.jacrev(loss))(one, label).trace().detach())
            for one, label in zip(x, y, strict=True)
        ]

        assert torch.allclose(torch.tensor(traces, dtype=torch.float64), sensitivity(made, x))

    def test_the_penalised_loss_takes_one_step_and_one_mask(self):
        """With dropout: the penalty is that of the network that the loss is of, and the model's step moves once."""
        made = bind(nn.Sequential(nn.Linear(6, 8), nn.Tanh(), Dropout(0.5), nn.Linear(8, 3)), 0)
        data = examples(5)
        loss, logits = Penalised(0.5)(made, data.train_x, data.train_y)
        loss.backward()

        assert 1 == made.thinned.step
        plain = nn.functional.cross_entropy(logits, data.train_y)
        made.thinned.step = 0
        made.train()
        assert torch.allclose(loss - plain, 0.125 * sensitivity(made, data.train_x).mean())


class TestConfiguration:
    """What cannot be trained with the penalty."""

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"method": "r_drop"}, "leaves the loss alone beside tikhonov; got r_drop"),
            ({"method": "ConcreteDropout"}, "leaves the loss alone beside tikhonov"),
            ({"normalisation": "batch-before"}, "examples that do not meet in the network"),
            ({"tikhonov": -0.1}, "tikhonov of 0 or more"),
        ],
    )
    def test_it_is_refused(self, changes, message):
        """One loss would silently take the place of the other, or one example's gradient would be another's."""
        with pytest.raises(ConfigurationError, match=message):
            settings(**({"tikhonov": 0.1} | changes))


class TestMeasure:
    """Of networks."""

    def test_a_smooth_network_grows_by_its_second_order(self):
        """And the error of that falls with the square of the noise: ninefold for three."""
        configuration = settings(hidden=(8, 8), **PLAIN, activation="tanh")
        found = measure(model(configuration, scale=60), examples(), context(configuration))
        off = [found[f"taylor_ratio[{i}]"] - 1 for i in range(5)]

        assert abs(off[0]) < 1e-3
        assert math.isclose((0.03 / 0.01) ** 2, off[2] / off[1], rel_tol=0.05)

    def test_kinks_grow_it_too(self):
        """Near a kink the loss grows where every second derivative is 0."""

        class Kink(nn.Module):
            def forward(self, x):
                bent = torch.relu(x - 0.5).sum(1, keepdim=True)
                return torch.cat([bent, -bent], 1)

        x = torch.full((1, 3), 0.5)
        excesses, curvature = growth(Kink().double(), x.double(), torch.tensor([1]), SEED)

        assert abs(curvature) < 1e-12
        assert excesses[1] > 1e-3

    @pytest.mark.parametrize("rates", [(0.0, 0.0), (0.5, 0.5)])
    def test_dropout_is_off(self, rates):
        """The network is measured as it is tested: the same weights, the same numbers."""
        configuration = settings(rates=rates)

        assert measure(model(configuration), examples(), context(configuration)) == measure(
            model(settings(**PLAIN)), examples(), context(settings(**PLAIN))
        )
