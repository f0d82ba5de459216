"""Proof for any implementation: `thinned.verify`, its subjects, its checks, and a saboteur for each of them."""

from thinned.conformance.claim import METHODS as METHODS
from thinned.conformance.claim import Claim as Claim
from thinned.conformance.claim import claim as claim
from thinned.conformance.guess import KINDS as KINDS
from thinned.conformance.outcome import Outcome as Outcome
from thinned.conformance.report import Report as Report
from thinned.conformance.subject import Subject as Subject
from thinned.conformance.verification import Examination as Examination
from thinned.conformance.verification import prepare as prepare
from thinned.conformance.verification import verify as verify

__all__ = [
    "KINDS",
    "METHODS",
    "Claim",
    "Examination",
    "Outcome",
    "Report",
    "Subject",
    "claim",
    "prepare",
    "verify",
]
