"""Dropout in attention: the factor of a sample's kept heads, and moments."""

import numpy as np
import pytest

from tests.bounds import stray
from thinned.errors import ShareError
from thinned.mask import keep, quantise
from thinned.methods import dropout
from thinned.methods.attention_dropout import check_per, head_factor, moments

N, RATE = 100_000, 0.3


def by_hand(heads, q):
    """E[y] and E[y^2] of head 0, over all 2^heads masks: another way than the formula's."""
    first = second = 0.0
    for number in range(2**heads):
        kept = [number >> head & 1 for head in range(heads)]
        chance = np.prod([1 - q if k else q for k in kept])
        value = kept[0] * heads / max(sum(kept), 1)
        first, second = first + chance * value, second + chance * value**2
    return first, second


class TestMoments:
    """`moments`."""

    @pytest.mark.parametrize("heads", [1, 2, 3, 8])
    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
    def test_per_head_are_those_of_all_masks(self, heads, rate):
        """Enumerated."""
        mean, variance = moments(np.full((heads, 1, 1), 3.0), rate, per="head")
        first, second = by_hand(heads, quantise(rate))

        assert np.allclose(mean, 3 * first)
        assert np.allclose(variance, 9 * (second - first**2))

    def test_per_head_are_those_of_draws(self):
        """Within Bernstein's bound."""
        heads = 4
        kept = keep((N, heads, 1, 1), RATE, seed=1)
        drawn = (kept * head_factor(heads, kept.sum(1, keepdims=True)))[:, 0, 0, 0]
        mean, variance = (
            float(value[0, 0, 0]) for value in moments(np.ones((heads, 1, 1)), RATE, per="head")
        )

        assert abs(drawn.mean() - mean) <= stray(N, variance, heads)
        assert abs(((drawn - mean) ** 2).mean() - variance) <= stray(N, variance * heads**2, heads**2)

    def test_per_weight_are_those_of_dropout(self):
        """Inverted scale."""
        x = np.arange(4.0)
        assert np.array_equal(dropout.moments(x, RATE), moments(x, RATE))

    @pytest.mark.parametrize("per", ["weight", "head"])
    def test_edges(self, per):
        """Rate 0 changes nothing, rate 1 leaves nothing."""
        x = np.full((2, 1, 1), 3.0)
        for rate, mean in ((0, x), (1, 0 * x)):
            found = moments(x, rate, per=per)
            assert np.array_equal(mean, found.mean)
            assert not found.variance.any()

    def test_without_heads(self):
        """Is refused."""
        with pytest.raises(ShareError, match="2 axes"):
            moments(np.ones((2, 2)), 0.5, per="head")


def test_per_is_weight_or_head():
    """Nothing else."""
    with pytest.raises(ValueError, match="per='weight' or per='head'"):
        check_per("row")
