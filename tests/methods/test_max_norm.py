"""The max-norm ball, in NumPy."""

import numpy as np
import pytest

from thinned.methods.max_norm import check_radius, projected, unit_axis


class TestProjected:
    """`projected`."""

    def test_has_no_unit_above_the_radius(self):
        """And units keep their direction."""
        w = np.random.default_rng(0).normal(size=(6, 4, 3))
        found = projected(w, 2.0)
        norms = np.linalg.norm(w.reshape(6, -1), axis=1)

        assert np.allclose(np.minimum(norms, 2.0), np.linalg.norm(found.reshape(6, -1), axis=1))
        assert np.allclose(w / norms[:, None, None], found / np.minimum(norms, 2.0)[:, None, None])

    def test_leaves_what_is_within(self):
        """Bit for bit, zeros among it."""
        w = np.random.default_rng(0).normal(size=(6, 4)) / 100
        w[2] = 0
        assert np.array_equal(w, projected(w, 1.0))


@pytest.mark.parametrize("c", [0, -1.0, float("nan"), float("inf"), True, "3"])
def test_the_radius_is_a_number_above_zero(c):
    """Nothing else."""
    with pytest.raises(ValueError, match="expected c"):
        check_radius(c)


@pytest.mark.parametrize(("axes", "axis"), [(1, 0), (0, 0), (2, 2), (2, -3)])
def test_weights_have_an_axis_of_units_and_others(axes, axis):
    """A bias has none."""
    with pytest.raises(ValueError, match="axis"):
        unit_axis(axes, axis)
