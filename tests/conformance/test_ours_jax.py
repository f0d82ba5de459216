"""Ours, held to everything that strangers are, with no limits allowed: JAX, Flax and TensorFlow."""

import pytest

import thinned.flax
import thinned.flax.linen
import thinned.jax
import thinned.tensorflow
from thinned.conformance.pytest import parametrize_with_checks

pytestmark = pytest.mark.long


@parametrize_with_checks(
    [thinned.jax.dropout, thinned.flax.Dropout, thinned.flax.linen.Dropout], strict=True, nan="zero"
)
def test_dropout(subject, check):
    """As a function of JAX, a module of NNX, and one of Linen."""
    check(subject)


@parametrize_with_checks(
    [
        thinned.flax.AlphaDropout,
        thinned.flax.GaussianDropout,
        thinned.flax.LockedDropout,
        thinned.flax.DropPath,
    ],
    strict=True,
)
def test_other_laws(subject, check):
    """Modules of NNX."""
    check(subject)


@parametrize_with_checks([thinned.tensorflow.dropout], strict=True, nan="zero")
def test_tensorflow(subject, check):
    """As a function of tensors."""
    check(subject)
