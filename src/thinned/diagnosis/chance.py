"""How likely chance alone is: exact tails of a binomial, and a quantile of the normal."""

from thinned.extras import need


def two_sided(kept: int, count: int, keep: float) -> float:
    """The chance that a right mask keeps a share at least as far on this side: twice the smaller exact tail.

    Example:
        >>> two_sided(50, 100, 0.5)
        1.0
        >>> two_sided(31, 100, 0.5) < 1e-3
        True
    """
    binom = need("scipy.stats", "audit").binom
    below, above = binom.cdf(kept, count, keep), binom.sf(kept - 1, count, keep)
    return float(min(1.0, 2 * min(below, above)))


def normal_quantile(alarm: float) -> float:
    """How many standard errors a mean strays with this chance, on either side.

    Example:
        >>> round(normal_quantile(0.05), 2)
        1.96
    """
    return float(need("scipy.stats", "audit").norm.isf(alarm / 2))
