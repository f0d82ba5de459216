"""DropKey: how often a query sees a key."""

import itertools

import numpy as np
import pytest

from tests.bounds import stray_of_share
from thinned.mask import keep, quantise
from thinned.methods.drop_key import chance_kept

N = 100_000


class TestChanceKept:
    """`chance_kept`."""

    @pytest.mark.parametrize("keys", [1, 2, 5])
    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
    def test_is_that_of_all_masks(self, keys, rate):
        """Enumerated: a row that would lose all keys loses none."""
        q, found = quantise(rate), 0.0
        for kept in itertools.product([0, 1], repeat=keys):
            chance = np.prod([1 - q if k else q for k in kept])
            found += chance * (kept[0] if any(kept) else 1)

        assert np.isclose(found, chance_kept(keys, rate))

    def test_is_that_of_draws(self):
        """Within Bernstein's bound."""
        kept = keep((N, 3), 0.5, seed=1)
        seen = (kept | ~kept.any(1, keepdims=True))[:, 0]
        chance = chance_kept(3, 0.5)

        assert abs(seen.mean() - chance) <= stray_of_share(N, chance)

    def test_edges(self):
        """Nothing is hidden at rate 0, and nothing at rate 1, where everything would be."""
        assert 1 == chance_kept(4, 0) == chance_kept(4, 1) == chance_kept(1, 0.5)
