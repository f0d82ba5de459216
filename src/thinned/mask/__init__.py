"""What a mask is: the law, version 1, and its readable truth. `SPEC.md` beside this file is normative."""

from thinned.mask.address import Address as Address
from thinned.mask.address import site_id as site_id
from thinned.mask.plan import Plan as Plan
from thinned.mask.rate import quantise as quantise
from thinned.mask.rate import threshold as threshold
from thinned.mask.truth import keep as keep
from thinned.mask.truth import normal as normal
from thinned.mask.truth import uniform as uniform

__all__ = ["Address", "Plan", "keep", "normal", "quantise", "site_id", "threshold", "uniform"]
