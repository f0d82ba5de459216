"""The checks, one function each, in the order in which they are told."""

from thinned.conformance.checks import (
    edges,
    evaluation,
    form,
    gradient,
    independence,
    law,
    precision,
    transforms,
)
from thinned.conformance.checks.check import CHECKS as CHECKS
from thinned.conformance.checks.check import Check as Check

__all__ = ["CHECKS", "Check"]

_FILES = (law, edges, evaluation, independence, gradient, form, precision, transforms)
_PLACES = {file.__name__: place for place, file in enumerate(_FILES)}

# Entered as files are imported, which is by the alphabet; told as a reader would ask.
for _name, _check in sorted(CHECKS.items(), key=lambda each: _PLACES[each[1].run.__module__]):
    CHECKS[_name] = CHECKS.pop(_name)
