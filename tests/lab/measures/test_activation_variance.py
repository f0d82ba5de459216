"""The variance of activations, and the formulas for it."""

import itertools
import math

import pytest
import torch

from tests.lab.measures.small import context, examples, model, settings
from thinned.lab.measures.activation_variance import measure, variances
from thinned.lab.measures.hidden import Layer


def layer(rows, mask=None, scale=1.0):
    """A layer that holds these activations, and hands them on under a mask."""
    after = torch.tensor(rows, dtype=torch.float64)
    return Layer(
        input=after, before=after, after=after, dropped=after if mask is None else after * mask * scale
    )


class TestFormula:
    """Var(a) + rate / (1 - rate) E[a^2]."""

    @pytest.mark.parametrize("rate", [0.25, 0.5])
    def test_it_is_the_mean_over_all_masks(self, rate):
        """Of 2^6 masks of three examples of two units, each by its probability: equal to rounding."""
        rows = [[1.0, 0.0], [2.0, 5.0], [4.0, -1.0]]
        total = 0.0
        for bits in itertools.product((0, 1), repeat=6):
            chance = math.prod(1 - rate if bit else rate for bit in bits)
            mask = torch.tensor(bits, dtype=torch.float64).reshape(3, 2)
            found = variances(layer(rows, mask, 1 / (1 - rate)), torch.eye(2), rate)
            total += chance * found["variance_train"]

        assert math.isclose(total, found["variance_formula"], rel_tol=1e-12)

    def test_the_published_one_is_of_masks_without_a_scale(self):
        """Over many examples, so that N and N - 1 are alike: a quarter of what is there."""
        generator = torch.Generator().manual_seed(0)
        after = torch.rand(20_000, 1, generator=generator, dtype=torch.float64)
        mask = torch.bernoulli(torch.full_like(after, 0.5), generator=generator)
        found = variances(
            Layer(input=after, before=after, after=after, dropped=2 * mask * after), torch.eye(1), 0.5
        )

        assert math.isclose(0.25, found["variance_published"] / found["variance_formula"], rel_tol=1e-3)
        assert math.isclose(found["variance_formula"], found["variance_train"], rel_tol=0.05)

    def test_squares_are_right_only_of_inputs_that_do_not_go_together(self):
        """Two equal inputs with weights 1 and 1 have variance 4 v, and the published formula says 2 v."""
        rows = torch.tensor([[1.0, 1.0], [3.0, 3.0], [8.0, 8.0]], dtype=torch.float64)
        weight = torch.ones(1, 2, dtype=torch.float64)
        before = rows @ weight.T
        found = variances(Layer(input=rows, before=before, after=before, dropped=before), weight, 0.0)

        assert math.isclose(2 * found["variance_squares"], found["variance_linear"])


class TestMeasure:
    """Of a network."""

    def test_without_dropout_all_of_a_layers_variances_are_one(self):
        """There is no mask, and so nothing for a formula to add."""
        configuration = settings(rates=(0.0, 0.0))
        found = measure(model(configuration), examples(), context(configuration))

        for k in (0, 1):
            names = ("variance_train", "variance_test", "variance_formula", "variance_published")
            assert 1 == len({found[f"{name}[{k}]"] for name in names})

    def test_dropout_adds_variance_in_training_alone(self):
        """The numbers of both layers, in a pass whose masks are the law's."""
        configuration = settings(hidden=(40, 40))
        found = measure(model(configuration, scale=20), examples(400), context(configuration))

        for k in (0, 1):
            assert found[f"variance_train[{k}]"] > found[f"variance_test[{k}]"] > 0
            assert math.isclose(found[f"variance_train[{k}]"], found[f"variance_formula[{k}]"], rel_tol=0.1)
