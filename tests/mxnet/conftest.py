"""MXNet 1.9.1 has an environment of its own: `make test-mxnet` runs these, and elsewhere they are not collected."""

import importlib.util
import warnings

import pytest

HERE = importlib.util.find_spec("mxnet") is not None

collect_ignore_glob = [] if HERE else ["test_*.py"]

if HERE:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MXNet was written for an older NumPy
        import mxnet as mx


@pytest.fixture(params=["nd", "np"])
def xp(request):
    """Either of MXNet's array interfaces, with its semantics switched on."""
    if request.param == "nd":
        yield mx.nd
    else:
        mx.npx.set_np()
        yield mx.np
        mx.npx.reset_np()
