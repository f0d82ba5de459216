"""Ours, held to everything that strangers are, with no limits allowed: PyTorch and NumPy."""

import thinned.numpy
import thinned.torch as tt
from thinned.conformance.pytest import parametrize_with_checks

LAYERS = [
    tt.Dropout, tt.Dropout1d, tt.Dropout2d, tt.Dropout3d, tt.AlphaDropout, tt.FeatureAlphaDropout,
    tt.GaussianDropout, tt.UniformDropout, tt.GaussianNoise, tt.BatchDropout, tt.DropPath, tt.dropout,
]  # fmt: skip


@parametrize_with_checks(LAYERS, strict=True, compiler="aot_eager")
def test_torch(subject, check):
    """Layers and the function, on tensors."""
    check(subject)


@parametrize_with_checks(
    [tt.LockedDropout], shared=(0,), shape=(5, 32, 48), strict=True, compiler="aot_eager"
)
def test_time_first(subject, check):
    """As PyTorch's recurrent layers have it."""
    check(subject)


@parametrize_with_checks(
    [lambda p: tt.DropBlock2d(p, block_size=3)], method="DropBlock2d", strict=True, compiler="aot_eager"
)
def test_blocks(subject, check):
    """What can be said of blocks."""
    check(subject)


@parametrize_with_checks(
    [thinned.numpy.dropout],
    strict=True,
    nan="zero",
)
def test_numpy(subject, check):
    """The function, on arrays."""
    check(subject)
