"""DropConnect as a row of the table: moments of a pre-activation."""

import numpy as np
import pytest

from tests.bounds import stray
from thinned.errors import ConfigurationError, RateError
from thinned.mask import keep, quantise
from thinned.mask.rate import scale, threshold
from thinned.methods.dropconnect import PER, check_choice, check_samples, example_window, moments, spread

N = 20_000
RANDOM = np.random.default_rng(0)
X, W, B = RANDOM.standard_normal(30), RANDOM.standard_normal((4, 30)), RANDOM.standard_normal(4)


def drawn(rate, bias):
    """Pre-activations of N examples that are all alike."""
    s = scale(threshold(rate))
    kept = keep((N, 4, 30), rate, seed=1, site="weight")
    total = (np.where(kept, W, 0) @ X) * s
    return total if bias is None else total + np.where(keep((N, 4), rate, seed=1, site="bias"), bias, 0) * s


def reach(rate, bias):
    """The furthest that a pre-activation can be from its mean: each term's own."""
    q, s = quantise(rate), scale(threshold(rate))
    terms = np.abs(W * X).sum(1) + (0 if bias is None else np.abs(bias))
    return terms * max(1, s * q)


class TestMoments:
    """`moments`."""

    @pytest.mark.parametrize("bias", [None, B], ids=["no bias", "bias"])
    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
    def test_are_those_of_the_masks(self, rate, bias):
        """Mean and variance of each unit, within Bernstein's bounds."""
        u = drawn(rate, bias)
        mean, variance = moments(X, W, rate, bias)
        far = reach(rate, bias)
        squares = (u - mean) ** 2

        for unit in range(4):
            assert abs(u[:, unit].mean() - mean[unit]) <= stray(N, variance[unit], far[unit])
            # A square lies in [0, far^2], so its variance is at most its mean times far^2.
            spreads = variance[unit] * far[unit] ** 2
            assert abs(squares[:, unit].mean() - variance[unit]) <= stray(N, spreads, far[unit] ** 2)

    def test_a_wrong_variance_is_seen(self):
        """The bounds are tight enough to tell q / (1 - q) from q (1 - q), the paper's without rescaling."""
        mean, variance = moments(X, W, 0.5)
        squares, far = (drawn(0.5, None) - mean) ** 2, reach(0.5, None)

        assert any(
            abs(squares[:, unit].mean() - variance[unit] / 4)
            > stray(N, variance[unit] / 4 * far[unit] ** 2, far[unit] ** 2)
            for unit in range(4)
        )

    def test_edges(self):
        """Rate 0 changes nothing, rate 1 leaves nothing."""
        assert np.array_equal(moments(X, W, 0, B).mean, X @ W.T + B)
        assert not moments(X, W, 0, B).variance.any()
        assert not np.concatenate(moments(X, W, 1, B)).any()
        assert (0, 1, 0) == (spread(0), spread(0.5), spread(1))

    def test_refuses_rates(self):
        """As the law."""
        with pytest.raises(RateError):
            moments(X, W, 1.5)


class TestWords:
    """What a layer is told."""

    def test_unknown(self):
        """Says what is known."""
        with pytest.raises(
            ConfigurationError, match="expected per as one of 'example', 'batch'; got 'sample'"
        ):
            check_choice("per", "sample", PER)

    @pytest.mark.parametrize("samples", [0, -1, 1.5, True, None])
    def test_samples(self, samples):
        """A whole number above 0."""
        with pytest.raises(ConfigurationError, match="samples as a whole number above 0"):
            check_samples(samples)

    def test_windows(self):
        """The axis of the examples is the mask's first."""
        assert example_window(None, 0, 3) is None
        assert ((9, 3, 4), (5, 0, 0)) == example_window(((9, 4), (5, 0)), 0, 3, 4)
        assert ((9, 3), (5, 0)) == example_window(((2, 9, 4), (0, 5, 0)), -2, 3)
