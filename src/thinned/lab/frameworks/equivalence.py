"""Whether two frameworks end at the same place: a test whose burden is to show that they do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

ALPHA = 0.05

WIDTH = 2.0
"""The margin, in standard deviations of the reference's own restarts.

So two frameworks count as equivalent when their means differ by less than the range that one unit in the last
place of the starting weights spreads one framework over. It is fixed here, before any training.
"""

RESTARTS = 16
"""So many that eight frameworks which do end at the same place all pass, in both measures, in 96 of 100 studies.

With 10 restarts it would be 69 of 100, with 12 it would be 84, with 20 it would be 99, since the margin is
estimated too. Simulated with normal samples; `tests/lab/frameworks/test_equivalence.py` repeats it.
"""


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided tests of one measure.

    Args:
        difference: mean minus the reference's mean.
        margin: within which the difference is to be shown.
        p: the larger of the two p values.
        low: lower end of the 90 % interval of the difference.
        high: upper end.
        n: how many values each side has.
    """

    difference: float
    margin: float
    p: float
    low: float
    high: float
    n: int

    @property
    def holds(self) -> bool:
        """Whether equivalence is shown: the 90 % interval lies inside the margin."""
        return self.p < ALPHA


def equivalence(values: Sequence[float], reference: Sequence[float], resolution: float = 0.0) -> Equivalence:
    """Test that two means differ by less than `WIDTH` standard deviations of the reference, or its resolution.

    Both one-sided hypotheses, "lower by the margin or more" and "higher by the margin or more", are put to Welch's
    t test; equivalence is shown if both are rejected. Each at 5 %, and together at 5 %, since one of them is true
    whenever the means are not equivalent. That several frameworks must pass raises no error rate either: a claim
    that all are equivalent is false at most as often as the claim about one.

    The same moved weights serve all frameworks. Their ends are then alike rather than independent, which makes the
    interval wider than it need be, and never narrower.

    A measure that comes in steps may show no spread at all: on 355 test examples, restarts often end with one and
    the same accuracy. The margin is then one step, `resolution`. Where no value differs from another and there is
    no step, equal means are equivalent and others are not.

    Args:
        values: of one framework's restarts; at least two, finite.
        reference: of the reference's restarts.
        resolution: the smallest difference that the measure can show: of an accuracy, one test example.

    Raises:
        ValueError: fewer than two values, or one that is not finite.

    Example:
        >>> import numpy as np
        >>> reference = np.linspace(0.9, 1.1, 16)
        >>> equivalence(reference + 0.01, reference).holds, equivalence(reference + 0.2, reference).holds
        (True, False)

    References:
        Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing the
        equivalence of average bioavailability", 1987, https://doi.org/10.1007/BF01068419. Welch, "The
        generalization of Student's problem when several different population variances are involved", 1947,
        https://doi.org/10.1093/biomet/34.1-2.28.
    """
    ours, theirs = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    if min(ours.size, theirs.size) < 2 or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError(f"expected at least two finite values a side; got {ours.size} and {theirs.size}.")
    difference = float(ours.mean() - theirs.mean())
    parts = ours.var(ddof=1) / ours.size, theirs.var(ddof=1) / theirs.size
    error, margin = math.sqrt(sum(parts)), max(WIDTH * float(theirs.std(ddof=1)), resolution)
    n = min(ours.size, theirs.size)
    if error == 0:
        differs = difference != 0 and abs(difference) >= margin
        return Equivalence(difference, margin, float(differs), difference, difference, n)
    freedom = error**4 / (parts[0] ** 2 / (ours.size - 1) + parts[1] ** 2 / (theirs.size - 1))
    half = float(stats.t.ppf(1 - ALPHA, freedom)) * error
    p = float(stats.t.sf((margin - abs(difference)) / error, freedom))
    return Equivalence(difference, margin, p, difference - half, difference + half, n)
