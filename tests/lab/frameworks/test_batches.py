"""The order of examples is a permutation, and a function of its address."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import SEEDS
from thinned.lab.frameworks.batches import batches, order, per_epoch

COUNTS = st.integers(1, 300)


class TestOrder:
    """One epoch."""

    @given(COUNTS, SEEDS, st.integers(0, 2**32 - 1))
    def test_it_is_a_permutation(self, count, seed, epoch):
        """Each example once."""
        assert list(range(count)) == sorted(order(count, seed=seed, epoch=epoch).tolist())

    @given(SEEDS, st.integers(0, 2**32 - 2))
    def test_it_depends_on_the_address_and_nothing_else(self, seed, epoch):
        """Asked twice it is the same; of another epoch or seed it is another."""
        here = order(300, seed=seed, epoch=epoch).tolist()

        assert here == order(300, seed=seed, epoch=epoch).tolist()
        assert here != order(300, seed=seed, epoch=epoch + 1).tolist()
        assert here != order(300, seed=seed ^ 1, epoch=epoch).tolist()


class TestBatches:
    """Minibatches, epoch after epoch."""

    @given(st.integers(1, 40), st.integers(1, 40), SEEDS)
    def test_an_epoch_has_whole_minibatches_of_distinct_examples(self, count, batch, seed):
        """What fills none is left out."""
        each = per_epoch(count, batch)
        rows = np.array(list(batches(count, batch, each, seed)), np.int64)

        assert (each, count // batch) == (len(rows), each)
        assert rows.size == len(set(rows.ravel().tolist()))

    def test_the_next_epoch_has_another_order(self):
        """Its number is the step of the address."""
        first, second, third = batches(8, 4, 3, seed=0)

        assert order(8, seed=0, epoch=0).tolist() == [*first, *second]
        assert order(8, seed=0, epoch=1)[:4].tolist() == third.tolist()
