"""Ours for Keras, on each backend; Keras has one a process, so that of PyTorch runs the others."""

import keras
import pytest

import thinned.keras
from tests.keras.test_backends import run
from thinned.conformance.pytest import parametrize_with_checks

pytestmark = pytest.mark.long

BACKEND = keras.backend.backend()
LAYERS = [
    getattr(thinned.keras.layers, name)
    for name in ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout")
]
FREE = {
    "recomputation": "a free layer draws a new key when TensorFlow calls it again; a bound one has its address"
}


@parametrize_with_checks(LAYERS, strict=True, expected_failures=FREE if BACKEND == "tensorflow" else None)
def test_layers(subject, check):
    """As users make them."""
    check(subject)


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "torch", reason="the process that has PyTorch runs the others")
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_elsewhere(backend):
    """What holds on PyTorch holds there."""
    said = run(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", __file__], backend)

    assert " passed" in said
    assert " failed" not in said
