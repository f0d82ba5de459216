"""R-Drop's divergence, in NumPy."""

import numpy as np
import pytest

from thinned.methods.r_drop import check_alpha, divergence


class TestDivergence:
    """`divergence`."""

    def test_is_the_mean_of_two_kullback_leibler_divergences(self):
        """Written out as the paper has it."""
        first, second = np.random.default_rng(0).normal(size=(2, 5, 4))
        p, q = (np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (first, second))
        expected = ((p * np.log(p / q)).sum(1) + (q * np.log(q / p)).sum(1)) / 2

        assert np.allclose(expected, divergence(first, second))

    def test_of_the_same(self):
        """Is zero, whatever is added to the logits."""
        x = np.random.default_rng(0).normal(size=(5, 4))
        assert np.allclose(0, divergence(x, x + 1000))

    def test_axis(self):
        """Classes may lie anywhere."""
        first, second = np.random.default_rng(0).normal(size=(2, 5, 4, 3))
        expected = divergence(first, second)

        assert np.allclose(expected, divergence(first.swapaxes(1, 2), second.swapaxes(1, 2), axis=2))


@pytest.mark.parametrize("alpha", [-1, float("nan"), float("inf"), True, "1", None])
def test_alpha_is_a_number_of_at_least_zero(alpha):
    """Nothing else."""
    with pytest.raises(ValueError, match="alpha"):
        check_alpha(alpha)
