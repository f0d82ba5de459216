"""One learning curve in two frameworks, as a script."""

import re

import pytest

from tests.subprocesses import ROOT, script


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the script printed, and the folder of its picture."""
    folder = tmp_path_factory.mktemp("same-curve")
    out, _ = script(ROOT / "examples" / "same_curve.py", "--steps", "6", "--out", str(folder))
    return out, folder


class TestSameCurve:
    """`examples/same_curve.py`."""

    def test_every_mask_is_the_laws(self, said):
        """In both frameworks; PyTorch's own are others, so the count can fail."""
        assert "PyTorch: 0 of 12 masks are not" in said[0]
        assert "JAX: 0 of 12 masks are not" in said[0]
        assert "its own dropout: 12 of 12 masks are not" in said[0]

    def test_the_losses_are_equal(self, said):
        """In float64, to 1e-8."""
        largest = re.search(r"PyTorch and JAX differ by at most (\S+) relative", said[0])

        assert float(largest[1]) <= 1e-8

    def test_it_leaves_a_picture(self, said):
        """Where it says."""
        assert (said[1] / "same_curve.png").read_bytes().startswith(b"\x89PNG")
