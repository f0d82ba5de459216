"""Addresses: what fits a coordinate, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import SEEDS
from thinned.errors import AddressError, ThinnedError
from thinned.mask import Address, keep, site_id

WIDTHS = {"site": 32, "step": 32, "draw": 16}


class TestSite:
    """`site_id`."""

    def test_an_integer_is_itself(self):
        """Only names are hashed."""
        assert [site_id(site) for site in (0, 7, 2**32 - 1)] == [0, 7, 2**32 - 1]

    def test_names_are_taken_as_they_are(self):
        """No case folding, trimming or Unicode normalisation: each spelling is a place of its own."""
        names = ["fc1", "FC1", " fc1", "fc1 ", "", "gr\u00f6\u00dfe", "gro\u0308\u00dfe"]

        assert len(names) == len({site_id(name) for name in names})

    def test_digits_are_a_name(self):
        """The text "7" is not the number 7."""
        assert site_id("7") != 7

    @given(name=st.text())
    def test_any_text_fits(self, name):
        """Every name that UTF-8 can write has a 32-bit number."""
        assert 0 <= site_id(name) < 2**32

    def test_a_name_and_its_number_are_one_place(self):
        """A framework may hash once and pass the number on."""
        assert (
            keep((64,), 0.5, seed=0, site="fc1").tolist()
            == keep((64,), 0.5, seed=0, site=4185788619).tolist()
        )


class TestSeed:
    """The 64-bit coordinate."""

    @given(seed=SEEDS)
    def test_key_is_the_seed_in_two_words(self, seed):
        """Low word first; a negative seed is its two's complement."""
        low, high = Address(seed).key

        assert seed % 2**64 == low + (high << 32)

    def test_int64_and_uint64_with_the_same_bits_are_one_seed(self):
        """A seed that has passed through a signed array still gives the same run."""
        assert Address(np.int64(-5)) == Address(np.uint64(2**64 - 5))

    @pytest.mark.parametrize("seed", [-(2**63) - 1, 2**64])
    def test_outside_its_width_is_refused(self, seed):
        """Nothing is wrapped silently."""
        with pytest.raises(AddressError, match=r"seed in \[-2\^63, 2\^64\)"):
            Address(seed)


class TestCoordinates:
    """Site, step and draw."""

    @pytest.mark.parametrize("name", WIDTHS)
    def test_the_whole_width_is_accepted(self, name):
        """0 and the largest value are addresses."""
        largest = 2 ** WIDTHS[name] - 1

        assert (0, largest) == tuple(getattr(Address(0, **{name: value}), name) for value in (0, largest))

    @pytest.mark.parametrize("name", WIDTHS)
    @pytest.mark.parametrize("below", [True, False], ids=["below", "above"])
    def test_outside_its_width_is_refused(self, name, below):
        """A coordinate that does not fit would collide with another address."""
        with pytest.raises(AddressError, match=rf"expected {name} in \[0, 2\^{WIDTHS[name]}\)"):
            Address(0, **{name: -1 if below else 2 ** WIDTHS[name]})

    @pytest.mark.parametrize("name", ["seed", *WIDTHS])
    @pytest.mark.parametrize("value", [1.0, True, None, b"fc1", np.float32(1)], ids=repr)
    def test_what_is_no_integer_is_refused(self, name, value):
        """A float may have been rounded, and True is more often a slip than a 1."""
        with pytest.raises(AddressError, match=f"expected {name} as an integer"):
            Address(**({"seed": 0} | {name: value}))

    @pytest.mark.parametrize("name", ["seed", "step", "draw"])
    def test_only_a_site_may_be_a_name(self, name):
        """Text elsewhere is a slip."""
        with pytest.raises(AddressError, match=f"{name} as an integer; got 'x'"):
            Address(**({"seed": 0} | {name: "x"}))

    def test_numpy_integers_are_integers(self):
        """Coordinates often come out of arrays."""
        assert Address(3, 2, 1, 0) == Address(np.int8(3), np.uint32(2), np.int64(1), np.uint16(0))

    def test_errors_are_value_errors(self):
        """`except ValueError` works, and so does the library's own root."""
        assert issubclass(AddressError, ValueError)
        assert issubclass(AddressError, ThinnedError)
