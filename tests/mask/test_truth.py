"""The readable truth: masks, uniforms and normals as a user meets them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given

from tests.mask import independent
from tests.strategies import RATES, addresses
from thinned.mask import keep, normal, uniform

COORDINATES = {"seed": 1, "site": 1, "step": 1, "draw": 1}


class TestKeep:
    """`keep`."""

    @given(rate=RATES, address=addresses())
    def test_equals_integer_arithmetic(self, rate, address):
        """NumPy and Python integers keep the same elements."""
        level = independent.threshold(rate)
        expected = [independent.half_word(element, **address) >= level for element in range(19)]

        assert expected == keep((19,), rate, **address).tolist()

    @given(address=addresses())
    def test_certainty_is_certain(self, address):
        """Rate 0 keeps all and rate 1 keeps none, whatever the draws."""
        assert keep((64,), 0, **address).all()
        assert not keep((64,), 1, **address).any()

    @given(address=addresses())
    def test_masks_are_nested(self, address):
        """What a higher rate keeps, a lower one keeps too: the draws are the same."""
        low, high = (keep((64,), rate, **address) for rate in (0.3, 0.6))

        assert (low | ~high).all()

    @pytest.mark.parametrize("coordinate", COORDINATES)
    def test_each_coordinate_moves_the_mask(self, coordinate):
        """Masks at neighbouring addresses differ."""
        here = keep((256,), 0.5, **{"seed": 0})
        there = keep((256,), 0.5, **({"seed": 0} | {coordinate: 1}))

        assert not np.array_equal(here, there)

    def test_coordinates_are_not_added_up(self):
        """Sixteen addresses of zeros and ones, sixteen masks: seed 1, step 0 is not seed 0, step 1."""
        corners = [dict(zip(COORDINATES, bits, strict=True)) for bits in product((0, 1), repeat=4)]

        assert len({keep((256,), 0.5, **corner).tobytes() for corner in corners}) == 16

    def test_only_the_element_order_of_a_shape_counts(self):
        """A mask reshaped is the mask of the reshaped array."""
        assert keep((4, 6), 0.5, seed=0).reshape(-1).tolist() == keep((24,), 0.5, seed=0).tolist()

    def test_a_scalar_has_a_mask_without_axes(self):
        """One element, index 0, in an array like any other."""
        masks = (keep((), 0.5, seed=0), uniform((), seed=0), normal((), seed=0))

        assert [mask.shape for mask in masks] == [()] * 3
        assert all(isinstance(mask, np.ndarray) for mask in masks)

    def test_nothing_has_an_empty_mask(self):
        """An axis of size 0 is no error."""
        assert keep((3, 0, 2), 0.5, seed=0).shape == (3, 0, 2)

    def test_does_not_touch_numpys_generator(self):
        """There is no state, ours or anybody's."""
        before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global generator is what is watched
        keep((64,), 0.5, seed=0)

        assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


class TestUniform:
    """`uniform`."""

    @given(address=addresses())
    def test_lies_strictly_inside(self, address):
        """Neither 0 nor 1 is ever drawn."""
        u = uniform((64,), **address)

        assert ((u > 0) & (u < 1)).all()


class TestNormal:
    """`normal`."""

    @given(address=addresses())
    def test_equals_integer_arithmetic_and_libm(self, address):
        """Within 2^-20 of the largest radius, 6.66; `vectors.txt` holds each to its own radius."""
        expected = [independent.normal(element, **address) for element in range(9)]

        assert np.abs(normal((9,), **address) - expected).max() <= 6.66 * 2**-20

    def test_a_pair_lies_on_one_circle(self):
        """Cosine and sine of one angle: the squares of a pair add up to -2 ln of a uniform in (0, 1]."""
        pairs = normal((512, 2), seed=0)
        uniforms = np.exp(-(pairs**2).sum(axis=1) / 2)

        assert ((uniforms > 0) & (uniforms <= 1)).all()

    def test_pairs_do_not_depend_on_the_window(self):
        """An odd start begins with the second half of a pair."""
        whole = normal((9,), seed=0)

        assert whole[3:8].tolist() == normal((5,), seed=0, window=((9,), (3,))).tolist()
