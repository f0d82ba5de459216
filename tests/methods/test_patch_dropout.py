"""Patch dropout: how many tokens stay, and which."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.bounds import stray_of_share
from tests.mask import independent
from tests.strategies import addresses
from thinned.errors import RateError, WindowError
from thinned.mask.address import Address, coordinates
from thinned.mask.truth import words
from thinned.methods.patch_dropout import count, subset

WHERE = (11, 12, 13, 14)


class TestCount:
    """`count`."""

    @given(tokens=st.integers(1, 5000), percent=st.integers(0, 99))
    @example(tokens=100, percent=90)
    def test_is_the_floor_of_the_exact_product(self, tokens, percent):
        """No rounding error of a rate in hundredths changes it."""
        assert max(1, tokens * (100 - percent) // 100) == count(tokens, percent / 100)

    @pytest.mark.parametrize("rate", [1, 1.0, -0.1, 2, float("nan")])
    def test_refuses(self, rate):
        """What leaves nothing, or is no rate."""
        with pytest.raises(RateError):
            count(16, rate)


class TestSubset:
    """`subset`."""

    @given(address=addresses(), shape=st.tuples(st.integers(1, 4), st.integers(1, 9)))
    def test_has_the_smallest_words(self, address, shape):
        """As plain integer arithmetic draws them; samples have rows of their own."""
        samples, tokens = shape
        for kept in (1, tokens):
            found = subset(shape, kept, coordinates(**address)).tolist()
            for sample in range(samples):
                drawn = [
                    independent.whole_word(sample * tokens + token, **address) for token in range(tokens)
                ]
                assert sorted(range(tokens), key=lambda token: (drawn[token], token))[:kept] == found[sample]

    def test_breaks_ties_by_place(self, monkeypatch):
        """Of equal words the first token stays."""
        monkeypatch.setattr(
            "thinned.methods.patch_dropout._stretch", lambda first, size, address: np.zeros(size, np.uint32)
        )
        assert [[0, 1]] * 3 == subset((3, 5), 2, WHERE).tolist()

    @pytest.mark.parametrize("index", [0, 3, 5, [5, 0, 7], [2, 2, 1]], ids=str)
    def test_knows_its_place_in_the_batch(self, index):
        """A shard, a re-ordered batch, one sample twice: each sample has what it has in the whole."""
        whole = subset((8, 7), 3, WHERE)
        ids = range(index, index + 3) if isinstance(index, int) else index

        assert whole[list(ids)].tolist() == subset((3, 7), 3, WHERE, (8, index)).tolist()

    def test_refuses_a_place_outside(self):
        """Three samples from the sixth on, of eight."""
        with pytest.raises(WindowError):
            subset((3, 7), 3, WHERE, (8, 6))

    def test_large_places(self):
        """Elements beyond 2^32 have words of their own."""
        far = (1 << 33) + 1
        found = subset((2, 7), 7, WHERE, (far + 2, far))
        drawn = words(np.arange(far * 7, far * 7 + 14).reshape(2, 7), Address(*WHERE))

        assert drawn.argsort(axis=1, kind="stable").tolist() == found.tolist()

    def test_ordered(self):
        """The same tokens, by their places."""
        plain, ordered = (subset((50, 9), 4, WHERE, ordered=way) for way in (False, True))

        assert np.sort(plain, axis=1).tolist() == ordered.tolist()
        assert plain.tolist() != ordered.tolist()

    def test_every_subset_is_as_likely(self):
        """Two of five tokens: ten subsets, each a tenth of a hundred thousand samples."""
        samples = 100_000
        found = subset((samples, 5), 2, WHERE, ordered=True)
        for pair in itertools.combinations(range(5), 2):
            share = (found == pair).all(axis=1).mean()
            assert abs(share - 0.1) <= stray_of_share(samples, 0.1)
