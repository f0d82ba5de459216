"""Ours for MXNet, held to everything that strangers are, with no limits allowed; and Gluon's own."""

from mxnet import gluon

import thinned
import thinned.mxnet
from thinned.conformance.pytest import parametrize_with_checks


@parametrize_with_checks(
    [thinned.mxnet.Dropout, thinned.mxnet.dropout],
    strict=True,
    nan="zero",
)
def test_ours(subject, check):
    """The block and the function."""
    check(subject)


def test_gluons_own():
    """Is right, with limits: rate 1 is not a number, and a rate below 0 is taken."""
    report = thinned.verify(gluon.nn.Dropout, checks=["keep_rate", "scale", "rate_one", "bad_rates"])

    assert ["passed", "passed", "limit", "limit"] == [outcome.status for outcome in report]
