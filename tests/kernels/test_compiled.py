"""Compilation: it says so once, keeps what it made, and does without a cache where none can be kept."""

import shutil
from pathlib import Path

import pytest

import thinned
from tests.subprocesses import python

DROP_ONCE = """
    import numpy as np
    from thinned.kernels.execute import DROP, thin
    from thinned.mask import keep
    from thinned.methods.dropout import plan
    x = np.ones(100, np.float32)
    y = np.empty_like(x)
    thin(DROP, x, y, plan((100,), 0.5), (3, 0, 0, 0), threads=1)
    print(bool(np.array_equal(keep((100,), 0.5, seed=3), y != 0)))
"""
NOTICE = "thinned: compiling the CPU kernel 'thin' for float32, once (a few seconds)\n"


@pytest.fixture
def nowhere(tmp_path):
    """A copy of the package, and an environment, in which no cache folder can be made, even by root.

    A folder under a regular file cannot exist, so each place where Numba would keep its cache is one: the
    variable's, the one beside the source, and the user's own.
    """
    package = tmp_path / "site" / "thinned"
    ignore = shutil.ignore_patterns("__pycache__", "lab", "report", "torch")
    shutil.copytree(Path(thinned.__file__).parent, package, ignore=ignore)
    for room in (package, package / "kernels", package / "mask"):
        (room / "__pycache__").write_text("not a folder")
    below = tmp_path / "file"
    below.write_text("not a folder")
    return {
        "PYTHONPATH": package.parent,
        "NUMBA_CACHE_DIR": below / "numba",
        "HOME": below,
        "XDG_CACHE_HOME": below / "cache",
        "PYTHONDONTWRITEBYTECODE": 1,
    }


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A cache folder that one process has filled, and what that process printed."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, python(DROP_ONCE, NUMBA_CACHE_DIR=folder)


class TestNotice:
    """One line on stderr, when time is really spent."""

    def test_is_printed_when_compiling(self, first):
        """The first process compiles, and says so."""
        assert first[1] == ("True\n", NOTICE)

    def test_is_not_printed_when_found(self, first):
        """The second finds the kernel on disk, and is silent."""
        assert python(DROP_ONCE, NUMBA_CACHE_DIR=first[0]) == ("True\n", "")


class TestCache:
    """The disk cache is a convenience."""

    def test_is_done_without_where_none_can_be_kept(self, nowhere):
        """A read-only installation compiles in each process, says so, warns of nothing, and is right."""
        code = f"import thinned; assert thinned.__file__.startswith({str(nowhere['PYTHONPATH'])!r})"

        assert python(code + DROP_ONCE.replace("\n    ", "\n"), **nowhere) == ("True\n", NOTICE)

    @pytest.mark.parametrize("kind", ["nbi", "nbc"])
    def test_is_mended_where_it_is_damaged(self, first, tmp_path, kind):
        """An index or a kernel cut short by a full disk costs one process time; the next finds a good one."""
        damaged = shutil.copytree(first[0], tmp_path / "damaged")
        files = list(damaged.rglob(f"*.{kind}"))
        for file in files:
            file.write_bytes(file.read_bytes()[:50])

        assert files
        assert python(DROP_ONCE, NUMBA_CACHE_DIR=damaged) == ("True\n", NOTICE)
        assert python(DROP_ONCE, NUMBA_CACHE_DIR=damaged) == ("True\n", "")

    def test_nothing_is_compiled_at_import(self):
        """Importing the kernels is cheap; a kernel is made when it is first called."""
        code = """
            import numba.core.event as event
            with event.install_recorder("numba:compile") as recorder:
                import thinned.kernels.execute
            print(len(recorder.buffer))
        """

        assert python(code) == ("0\n", "")


def test_numpys_kernel_is_compiled_where_others_are_not(tmp_path):
    """`NUMBA_DISABLE_JIT` is for somebody else's functions, and for none of ours."""
    out, _ = python(DROP_ONCE, NUMBA_DISABLE_JIT=1, NUMBA_CACHE_DIR=tmp_path)

    assert out.split() == ["True"]
