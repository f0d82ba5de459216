"""Drop path: the axes of a sample, and the moments with and without a scale."""

import numpy as np
import pytest

from tests.bounds import stray, stray_of_share
from thinned.errors import ShareError
from thinned.mask import keep, quantise
from thinned.mask.rate import scale, threshold
from thinned.methods.drop_path import moments, rest_axes

N, RATE = 200_000, 0.3


class TestRestAxes:
    """`rest_axes`."""

    @pytest.mark.parametrize(
        ("axes", "batch", "expected"), [(1, 0, ()), (4, 0, (1, 2, 3)), (3, 1, (0, 2)), (3, -1, (0, 1))]
    )
    def test_are_all_but_the_batch(self, axes, batch, expected):
        """Wherever the batch is."""
        assert expected == rest_axes(axes, batch)

    @pytest.mark.parametrize(("axes", "batch"), [(0, 0), (2, 2), (2, -3)])
    def test_refuses_an_axis_that_is_not_there(self, axes, batch):
        """A number has no batch."""
        with pytest.raises(ShareError, match="batch axis"):
            rest_axes(axes, batch)


class TestMoments:
    """`moments`: of samples, one draw each."""

    def test_scaled(self):
        """Mean x, variance x^2 q / (1 - q)."""
        kept = keep((N, 1), RATE, seed=1)[:, 0]
        mean, variance = moments(2.0, RATE)
        far = 2 * scale(threshold(RATE))

        assert abs((kept * far).mean() - mean) <= stray(N, variance, max(mean, far - mean))
        assert np.isclose(variance, (far - mean) ** 2 * (1 - quantise(RATE)) + mean**2 * quantise(RATE))

    def test_plain(self):
        """A share of the mean is lost; the variance is that of a Bernoulli number."""
        kept = keep((N, 1), RATE, seed=1)[:, 0]
        mean, variance = moments(1.0, RATE, scale_by_keep=False)

        assert abs(kept.mean() - mean) <= stray_of_share(N, 1 - quantise(RATE))
        assert np.isclose(variance, mean * (1 - mean))

    @pytest.mark.parametrize("scale_by_keep", [False, True])
    def test_edges(self, scale_by_keep):
        """Rate 0 changes nothing, rate 1 leaves nothing."""
        assert moments(3.0, 0, scale_by_keep) == (3, 0)
        assert moments(3.0, 1, scale_by_keep) == (0, 0)
