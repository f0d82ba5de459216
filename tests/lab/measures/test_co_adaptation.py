"""Correlations, zeros and removals of hidden units."""

import math

import pytest
import torch

from tests.lab.measures.small import SEED, context, examples, model, settings
from thinned.lab.measures.co_adaptation import SHARES, mean_correlation, measure, removal
from thinned.mask import keep


class TestCorrelation:
    """The mean of |r| over pairs."""

    @pytest.mark.parametrize(
        ("columns", "expected"),
        [
            ([[1, 2, 3], [2, 4, 6], [3, 2, 1]], 1.0),
            ([[1, -1, 1, -1], [1, 1, -1, -1]], 0.0),
            ([[1, -1, 1, -1], [1, 1, -1, -1], [2, -2, 2, -2]], 1 / 3),
            ([[1, 2, 3], [5, 5, 5]], 0.0),
            ([[0, 0, 0], [0, 0, 0]], 0.0),
        ],
    )
    def test_by_hand(self, columns, expected):
        """Units that are constant are in no pair; a single unit has none."""
        found = mean_correlation(torch.tensor(columns, dtype=torch.float32).T)

        assert math.isclose(expected, found, abs_tol=1e-12)

    def test_it_is_numpys(self):
        """On numbers without a pattern."""
        x = torch.rand(50, 7, generator=torch.Generator().manual_seed(0))
        r = torch.corrcoef(x.double().T).abs()

        assert math.isclose(float((r.sum() - 7) / 42), mean_correlation(x), rel_tol=1e-12)


class TestMeasure:
    """Of networks."""

    def test_zeros_and_silent_units_are_counted(self):
        """A unit whose bias lies far below zero is silent, and its activations are zeros."""
        configuration = settings()
        made = model(configuration)
        with torch.no_grad():
            made.fc1.bias[0] = -1e6
        found = measure(made, examples(), context(configuration))
        hidden = torch.relu(made.fc1(examples().test_x))

        assert math.isclose(float((hidden == 0).float().mean()), found["zeros[0]"], rel_tol=1e-6)
        assert found["silent[0]"] >= 0.25

    def test_nothing_removed_is_the_network(self):
        """Share 0, scaled or not."""
        configuration = settings()
        made, data = model(configuration), examples()
        found = measure(made, data, context(configuration))
        right = float((made(data.test_x).argmax(1) == data.test_y).double().mean())

        assert 0.0 == SHARES[0]
        assert right == found["removed_accuracy[0]"] == found["unscaled_accuracy[0]"]

    def test_units_are_removed_by_the_law_and_the_rest_scaled(self):
        """The mean loss over ten subsets, each the same for all examples, in a network of one hidden layer."""
        configuration = settings(hidden=(5,), rates=(0.5,))
        made, data = model(configuration), examples()
        losses = []
        for draw in range(10):
            kept = torch.from_numpy(keep((5,), 0.5, seed=SEED, site="measure.removal.relu1", draw=draw))
            hidden = torch.relu(made.fc1(data.test_x)) * kept * 2
            losses.append(torch.nn.functional.cross_entropy(made.out(hidden), data.test_y).item())

        assert math.isclose(sum(losses) / 10, removal(made, data, 0.5, SEED)["removed_loss"], rel_tol=1e-5)

    def test_units_that_do_the_same_are_missed_less(self):
        """Sixteen copies of one unit: what reads them takes the same class from half of them."""
        configuration = settings(hidden=(16,), rates=(0.0,))
        made, data = model(configuration), examples()
        with torch.no_grad():
            made.fc1.weight[:] = made.fc1.weight[0]
            made.fc1.bias[:] = 1.0
            made.out.weight[:] = made.out.weight[:, :1]
        found = measure(made, data, context(configuration))

        assert math.isclose(1.0, found["correlation[0]"], rel_tol=1e-6)
        assert math.isclose(found["removed_accuracy[3]"], found["removed_accuracy[0]"])
