"""What an import brings along, and what it says when it cannot."""

from tests.subprocesses import python

QUIET = "import warnings; warnings.simplefilter('ignore'); "
TRY = "\ntry:\n    import thinned.mxnet\nexcept ImportError as error:\n    print(error)"
OTHERS = "('torch', 'jax', 'flax', 'tensorflow', 'keras')"


class TestImports:
    """In fresh processes."""

    def test_brings_no_other_framework(self):
        """MXNet alone; and the check can fail."""
        code = f"import sys, thinned.mxnet; print([n for n in {OTHERS} + ('mxnet',) if n in sys.modules])"

        assert "['mxnet']" == python(QUIET + code)[0].strip()

    def test_numpy_that_is_too_new(self, tmp_path):
        """MXNet stumbles over a name that is gone; we say what to do."""
        (tmp_path / "mxnet.py").write_text("import numpy\nnumpy.no_such_name\n")
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})" + TRY
        said = python(QUIET + code)[0]

        assert "expected NumPy 1.23.5 or older" in said
        assert "pip install 'thinned[mxnet]'" in said

    def test_no_mxnet(self):
        """The extra is named."""
        code = "import sys; sys.modules['mxnet'] = None" + TRY

        assert "pip install 'thinned[mxnet]'" in python(QUIET + code)[0]
