"""Stochastic depth: the moments of a residual block."""

import numpy as np

from tests.bounds import stray
from thinned.mask import keep
from thinned.mask.rate import scale, threshold
from thinned.methods.stochastic_depth import moments

STEPS, RATE = 4000, 0.25


class TestMoments:
    """`moments`."""

    def test_are_those_of_many_steps(self):
        """The block's output, one draw a step."""
        kept = np.array([keep((1,), RATE, seed=0, site="block", step=step)[0] for step in range(STEPS)])
        factor = scale(threshold(RATE))
        mean, variance = moments(5.0, RATE, branch=2.0)
        y = 5.0 + kept * factor * 2.0

        assert mean == 7
        assert abs(y.mean() - mean) <= stray(STEPS, variance, 2.0)

    def test_edges(self):
        """Rate 0 is the plain block, rate 1 the shortcut."""
        assert moments(5.0, 0, 2.0) == (7, 0)
        assert moments(5.0, 1, 2.0) == (5, 0)
