"""Arrows point one way, and this test can fail."""

from pathlib import Path

import pytest

import thinned
from tests.architecture.arrows import RANK, offences

PACKAGE = Path(thinned.__file__).parent


def tree(folder, files):
    """A package called `thinned` with these files."""
    for name, text in files.items():
        file = folder / "thinned" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "thinned"


class TestThinned:
    """The library."""

    def test_no_room_imports_one_to_its_right(self):
        """mask, methods, kernels, frameworks, ..., cli: each knows only what stands left of it."""
        assert offences(PACKAGE) == []

    def test_something_was_read(self):
        """The rooms that exist are rooms that the arrows know."""
        rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}

        assert {"mask", "kernels"} <= rooms <= set(RANK)


class TestMeta:
    """The check itself, on trees made to break it."""

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("mask/a.py", "import thinned.kernels.cpu", "mask imports kernels"),
            ("mask/a.py", "from thinned import kernels", "mask imports kernels"),
            ("mask/a.py", "from thinned.lab.study import Study", "mask imports lab"),
            ("mask/a.py", "from ..lab import Study", "mask imports lab"),
            ("mask/deep/a.py", "from ...lab.study import Study", "mask imports lab"),
            ("mask/a.py", "from .. import methods", "mask imports methods"),
            ("mask/a.py", "def f():\n    import thinned.torch", "a.py:2: mask imports torch"),
            ("kernels/a.py", "import numpy, thinned.torch as t", "kernels imports torch"),
            ("torch/a.py", "from thinned.jax import dropout", "torch imports jax"),
            ("jax/a.py", "from thinned.flax import Dropout", "jax imports flax"),
            ("diagnosis/a.py", "from thinned.conformance import verify", "diagnosis imports conformance"),
            ("lab/a.py", "from thinned.report import page", "lab imports report"),
            ("errors.py", "from thinned import mask", "errors is open to all"),
            ("mask/a.py", "import thinned", "the whole package is not a room"),
            ("utils/a.py", "from thinned import mask", "utils is not a room"),
            ("mask/a.py", "from thinned.helpers import f", "helpers is not a room"),
        ],
    )
    def test_a_wrong_import_is_found(self, tmp_path, name, text, message):
        """However it is written, wherever it stands."""
        (found,) = offences(tree(tmp_path, {name: text}))

        assert message in found

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("kernels/a.py", "from thinned.mask.plan import Plan\nfrom .b import f\nimport numpy, os.path"),
            ("mask/a.py", "from thinned.errors import RateError\nfrom thinned import __version__"),
            ("mask/a.py", "from .b import f\nfrom . import c\nfrom thinned.mask import d"),
            ("flax/a.py", "from thinned.jax import dropout"),
            ("keras/a.py", "import thinned.torch"),
            ("torch/a.py", "import torch\nfrom torch import nn"),
            ("cli/a.py", "from thinned import lab, report, mask"),
            ("__init__.py", "from thinned import mask as mask"),
            ("__main__.py", "from thinned.cli import main"),
        ],
    )
    def test_a_right_import_is_let_be(self, tmp_path, name, text):
        """Leftward, within a room, of what is open to all, and of other libraries with a room's name."""
        assert offences(tree(tmp_path, {name: text})) == []
