"""Either interface of MXNet, and the examples. Collected only where MXNet is: see the root's `conftest.py`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))


@pytest.fixture(params=["nd", "np"])
def xp(request):
    """Either of MXNet's array interfaces, with its semantics switched on."""
    import mxnet as mx

    if request.param == "nd":
        yield mx.nd
    else:
        mx.npx.set_np()
        yield mx.np
        mx.npx.reset_np()
