"""What an import brings along."""

import pytest

from tests.subprocesses import python

HEAVY = (
    "numba",
    "torch",
    "jax",
    "flax",
    "tensorflow",
    "keras",
    "mxnet",
    "sklearn",
    "scipy",
    "matplotlib",
    "polars",
)


def brought(statement):
    """Which heavy packages a fresh process has loaded after `statement`."""
    code = f"import sys; {statement}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    return python(code)[0].split()


class TestImports:
    """The core is light."""

    @pytest.mark.parametrize(
        "statement",
        ["import thinned", "import thinned.mask", "import thinned; thinned.mask.keep((8,), 0.5, seed=0)"],
        ids=["thinned", "mask", "keep"],
    )
    def test_the_core_brings_no_framework_and_no_compiler(self, statement):
        """NumPy and the standard library are all that the law needs."""
        assert brought(statement) == []

    def test_the_check_can_fail(self):
        """It sees what really is imported."""
        assert "numba" in brought("import numba")

    def test_kernels_bring_the_compiler_and_no_framework(self):
        """Numba comes with the kernels, and brings SciPy where that is installed."""
        assert set(brought("import thinned.kernels.execute")) - {"scipy"} == {"numba"}
